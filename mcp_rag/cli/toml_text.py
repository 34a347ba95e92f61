"""TOML that somebody else wrote: one table is put in or taken out, comments and everything else stay."""

import tomllib
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

NAME = "TOML"
EMPTY = ""


def parse(text: str) -> dict[str, Any]:
    """What the text holds.

    Raises:
        ValueError: it is not TOML.
    """
    return tomllib.loads(text)


def put(text: str, keys: tuple[str, ...], value: dict[str, Any]) -> str:
    """The text with the table `value` at the path `keys`: a new one at its end, an old one where it is.

    `parse` accepts the text, and what it has at the path so far consists of tables.

    Raises:
        ValueError: the tables of the path are written in a form that takes no more of them, e.g. inline.
    """
    expected = parse(text)
    *path, last = keys
    found = expected
    for key in path:
        found = found.setdefault(key, {})
    present = last in found
    found[last] = value
    if not present:
        return _verified(_appended(text, keys, value), expected)
    return _verified(_edited(text, keys, lambda table: _make_equal(table, value)), expected)


def without(text: str, keys: tuple[str, ...]) -> str:
    """The text less the table at the path `keys`, which it has.

    Raises:
        ValueError: it is written in a form that cannot be taken out.
    """
    expected = parse(text)
    *path, last = keys
    found = expected
    for key in path:
        found = found[key]
    del found[last]
    # A table that was there only for the sake of this one is gone with it.
    gone = {key: value for key, value in expected.items() if value or key not in path}
    return _verified(_edited(text, path, lambda table: table.pop(last)), expected, gone)


def written(value: dict[str, Any]) -> str:
    return tomlkit.dumps(value).rstrip("\n")


def _appended(text: str, keys: tuple[str, ...], value: dict[str, Any]) -> str:
    for key in reversed(keys):
        value = {key: value}
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return text + _with_line_ends_of(text, f"{gap}{written(value)}\n")


def _edited(text: str, path: Sequence[str], edit: Callable[[MutableMapping[str, Any]], object]) -> str:
    """The text after an edit of the table at the path."""
    try:
        document = tomlkit.parse(text)
        table: Any = document
        for key in path:
            table = table[key]
        edit(table)
    except (TOMLKitError, TypeError, ValueError) as error:
        raise ValueError(f"it cannot be changed where it is: {error}") from error
    return _with_line_ends_of(text, tomlkit.dumps(document))


def _make_equal(table: MutableMapping[str, Any], value: dict[str, Any]) -> None:
    """Change only what differs, so that the comments beside the rest stay."""
    for key in [key for key in table if key not in value]:
        del table[key]
    for key, wanted in value.items():
        if isinstance(wanted, dict) and isinstance(table.get(key), MutableMapping):
            _make_equal(table[key], wanted)
        elif key not in table or table[key] != wanted:
            table[key] = wanted


def _with_line_ends_of(text: str, changed: str) -> str:
    plain = changed.replace("\r\n", "\n")
    return plain.replace("\n", "\r\n") if text.count("\r\n") == text.count("\n") > 0 else changed


def _verified(changed: str, *expected: dict[str, Any]) -> str:
    """The changed text, if it says what it shall say and nothing else."""
    try:
        found = parse(changed)
    except ValueError as error:
        raise ValueError("its tables are written in a form that takes no more of them") from error
    if found not in expected:
        raise ValueError("it would not be the same afterwards")
    return changed
