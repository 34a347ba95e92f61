"""JSON that somebody else wrote: one value is put in, and every other character stays as it is."""

import json
import re
from typing import Any, NamedTuple

_SPACE = re.compile(r"[ \t\r\n]*")
_INDENT = "  "


class _Member(NamedTuple):
    gap: str
    """The white space before the key, back to the brace or comma."""
    start: int
    stop: int
    """Of the value."""


def parse(text: str) -> dict[str, Any]:
    """The object that the text holds.

    Raises:
        ValueError: it is not plain JSON (it may have comments or trailing commas), is no object, or says a
            key twice, so that nobody knows which one counts.
    """
    found = json.loads(text, object_pairs_hook=_without_repetition)
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    return found


def put(text: str, keys: tuple[str, ...], value: Any) -> str:
    """The text with `value` at the path `keys`, in the style of its neighbours.

    `parse` accepts the text, and what is at the path so far consists of objects.
    """
    changed = _put(text, _after_space(text, 0), keys, value, depth=1)
    return changed.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else changed


def _put(text: str, brace: int, keys: tuple[str, ...], value: Any, *, depth: int) -> str:
    members = _members(text, brace)
    key, *rest = keys
    if key not in members:
        for each in reversed(rest):
            value = {each: value}
        return _insert(text, brace, members, key, value, depth=depth)
    member = members[key]
    if rest:
        return _put(text, member.start, tuple(rest), value, depth=depth + 1)
    return text[: member.start] + _written(value, member.gap) + text[member.stop :]


def _insert(
    text: str, brace: int, members: dict[str, _Member], key: str, value: Any, *, depth: int
) -> str:
    if members:
        last = list(members.values())[-1]
        new = f",{last.gap}{json.dumps(key)}: {_written(value, last.gap)}"
        return text[: last.stop] + new + text[last.stop :]
    indent = _unit(text) * depth
    new = f"\n{indent}{json.dumps(key)}: {_written(value, f'\n{indent}', _unit(text))}\n{_unit(text) * (depth - 1)}"
    return text[: brace + 1] + new + text[_after_space(text, brace + 1) :]


def _members(text: str, brace: int) -> dict[str, _Member]:
    """The members of the object whose brace is there."""
    decoder = json.JSONDecoder()
    members: dict[str, _Member] = {}
    after = brace + 1
    while text[at := _after_space(text, after)] != "}":
        gap = text[after:at]
        key, at = decoder.raw_decode(text, at)
        colon = _after_space(text, at)
        start = _after_space(text, colon + 1)
        _, stop = decoder.raw_decode(text, start)
        members[key] = _Member(gap, start, stop)
        after = _after_space(text, stop)
        if text[after] == ",":
            after += 1
    return members


def _written(value: Any, gap: str, unit: str | None = None) -> str:
    """The value on lines of its own where its neighbours have theirs, else on one."""
    _, newline, margin = gap.rpartition("\n")
    if not newline:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=unit or _spaces(margin)).splitlines()
    return f"\n{margin}".join(lines)


def _spaces(margin: str) -> str:
    return "\t" if margin.startswith("\t") else _INDENT


def _unit(text: str) -> str:
    """What the outermost members are indented by."""
    found = re.match(r"\s*\{[ \t]*\r?\n([ \t]+)\"", text)
    return found[1] if found else _INDENT


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
