"""JSON that somebody else wrote: one value is put in or taken out, every other character stays as it is."""

import json
import re
from typing import Any, NamedTuple

NAME = "plain JSON"
EMPTY = "{}\n"

_SPACE = re.compile(r"[ \t\r\n]*")
_FIRST_INDENT = re.compile(r"\s*\{[ \t\r\n]*\n([ \t]+)\"")


class _Member(NamedTuple):
    gap: str
    """The white space before the key, back to the brace or the comma."""
    start: int
    stop: int
    """Of the value."""


class _Style(NamedTuple):
    unit: str
    """What one level is indented by."""
    newline: str


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

    `parse` accepts the text, and what it has at the path so far consists of objects.
    """
    indented = _FIRST_INDENT.match(text)
    style = _Style(indented[1] if indented else "  ", "\r\n" if "\r\n" in text else "\n")
    return _put(text, _after_space(text, 0), keys, value, style, depth=1)


def without(text: str, keys: tuple[str, ...]) -> str:
    """The text less what it has at the path `keys`, and less the comma that this needs no more."""
    brace = _after_space(text, 0)
    for key in keys[:-1]:
        brace = _members(text, brace)[key].start
    members = _members(text, brace)
    spans, at = list(members.values()), list(members).index(keys[-1])
    if at:
        return text[: spans[at - 1].stop] + text[spans[at].stop :]
    after = _after_space(text, spans[at].stop)
    return text[: brace + 1] + text[after + 1 if text[after] == "," else after :]


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _put(text: str, brace: int, keys: tuple[str, ...], value: Any, style: _Style, *, depth: int) -> str:
    members = _members(text, brace)
    key, *rest = keys
    if key not in members:
        for each in reversed(rest):
            value = {each: value}
        if members:
            return _after_last(text, list(members.values())[-1], key, value, style)
        return _into_empty(text, brace, key, value, style, depth)
    member = members[key]
    if rest:
        return _put(text, member.start, tuple(rest), value, style, depth=depth + 1)
    return text[: member.start] + _written(value, member.gap, style) + text[member.stop :]


def _after_last(text: str, last: _Member, key: str, value: Any, style: _Style) -> str:
    gap = last.gap or " "
    return f"{text[: last.stop]},{gap}{json.dumps(key)}: {_written(value, gap, style)}{text[last.stop :]}"


def _into_empty(text: str, brace: int, key: str, value: Any, style: _Style, depth: int) -> str:
    gap = style.newline + style.unit * depth
    rest = style.newline + style.unit * (depth - 1) + text[_after_space(text, brace + 1) :]
    return f"{text[: brace + 1]}{gap}{json.dumps(key)}: {_written(value, gap, style)}{rest}"


def _written(value: Any, gap: str, style: _Style) -> str:
    """The value on lines of its own where its neighbours have theirs, else on one."""
    _, newline, margin = gap.rpartition("\n")
    if not newline:
        return json.dumps(value)
    return json.dumps(value, indent=style.unit).replace("\n", style.newline + margin)


def _members(text: str, brace: int) -> dict[str, _Member]:
    """The members of the object whose brace is there, in order."""
    decoder = json.JSONDecoder()
    members: dict[str, _Member] = {}
    after = brace + 1
    while text[at := _after_space(text, after)] != "}":
        key, end = decoder.raw_decode(text, at)
        start = _after_space(text, _after_space(text, end) + 1)
        _, stop = decoder.raw_decode(text, start)
        members[key] = _Member(text[after:at], start, stop)
        after = _after_space(text, stop)
        if text[after] == ",":
            after += 1
    return members


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
