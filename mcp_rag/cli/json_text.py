"""JSON that somebody else wrote: one value is put in or taken out, every other character stays as it is.

Places are found in the text with spaces for its comments and trailing commas, which is as long.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

NAME = "plain JSON"
EMPTY = "{}\n"

_WHITE = " \t\r\n"
_STRING = r'"(?:[^"\\\r\n]|\\.)*"'
_STRING_OR_COMMENT = re.compile(rf"{_STRING}|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_STRING_OR_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=[{_WHITE}]*[}}\]])")
_SPACE = re.compile(f"[{_WHITE}]*")
_FIRST_INDENT = re.compile(rf"\s*\{{[{_WHITE}]*\n([ \t]+)\"")


class _Member(NamedTuple):
    begin: int
    """Behind the brace or the comma before it."""
    key: int
    start: int
    stop: int
    """Of the value."""


class _Read(NamedTuple):
    """A text, and the same with spaces for comments, and for trailing commas too."""

    text: str
    uncommented: str
    plain: str


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


def plain(text: str) -> str:
    """The text with spaces for comments and trailing commas."""
    return _read(text).plain


def put(text: str, keys: tuple[str, ...], value: Any) -> str:
    """The text with `value` at the path `keys`, in the style of its neighbours.

    Of an object that is there only what differs is changed. `parse` accepts the text, comments and trailing
    commas aside, and what it has at the path so far consists of objects.
    """
    read = _read(text)
    indented = _FIRST_INDENT.match(read.plain)
    style = _Style(indented[1] if indented else "  ", "\r\n" if "\r\n" in text else "\n")
    for path, part in list(_differing(_value(json.loads(read.plain), keys), keys, value)):
        text = _put(_read(text), _after_space(read.plain, 0), path, part, style, depth=1)
    return text


def without(text: str, keys: tuple[str, ...]) -> str:
    """The text less what it has at the path `keys`, and less the comma that this needs no more."""
    read = _read(text)
    brace = _after_space(read.plain, 0)
    for key in keys[:-1]:
        brace = _members(read.plain, brace)[key].start
    members = _members(read.plain, brace)
    close = _close(read.plain, brace, members)
    if len(members) == 1 and text[brace + 1 : close] == read.uncommented[brace + 1 : close]:
        return text[: brace + 1] + text[close:]
    return _less(read, members[keys[-1]])


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _read(text: str) -> _Read:
    uncommented = _STRING_OR_COMMENT.sub(_blank, text)
    return _Read(text, uncommented, _STRING_OR_TRAILING_COMMA.sub(_blank, uncommented))


def _blank(found: re.Match[str]) -> str:
    """Strings stay; line ends do, too."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\r\n]", " ", found[0])


def _value(within: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        within = within.get(key, {})
    return within


def _differing(before: Any, path: tuple[str, ...], after: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What to put where, so that `after` is there."""
    if before and isinstance(before, dict) and isinstance(after, dict) and before.keys() <= after.keys():
        for key, part in after.items():
            yield from _differing(before.get(key), (*path, key), part)
    elif before != after or after == {}:
        yield path, after


def _put(read: _Read, brace: int, keys: tuple[str, ...], value: Any, style: _Style, *, depth: int) -> str:
    members = _members(read.plain, brace)
    key, *rest = keys
    if key not in members:
        for each in reversed(rest):
            value = {each: value}
        add = _after_last if members else _into_empty
        return add(read, brace, members, key, value, style, depth)
    member = members[key]
    if rest:
        return _put(read, member.start, tuple(rest), value, style, depth=depth + 1)
    written = _written(value, _gap(read, member, style), style)
    return read.text[: member.start] + written + read.text[member.stop :]


def _after_last(
    read: _Read, brace: int, members: dict[str, _Member], key: str, value: Any, style: _Style, depth: int
) -> str:
    """After all comments in the object, so that each stays with what it is about."""
    last = list(members.values())[-1]
    end = _end(read.text, _close(read.plain, brace, members))
    gap = _gap(read, last, style) or " "
    between = read.text[last.stop : end]
    if between != read.uncommented[last.stop : end] and "\n" not in gap:
        gap = style.newline + style.unit * depth
    comma = "" if "," in read.uncommented[last.stop : end] else ","
    return (
        f"{read.text[: last.stop]}{comma}{between}"
        f"{gap}{json.dumps(key)}: {_written(value, gap, style)}{read.text[end:]}"
    )


def _into_empty(
    read: _Read, brace: int, members: dict[str, _Member], key: str, value: Any, style: _Style, depth: int
) -> str:
    close = _close(read.plain, brace, members)
    gap = style.newline + style.unit * depth
    rest = style.newline + style.unit * (depth - 1) + read.text[close:]
    return f"{read.text[: _end(read.text, close)]}{gap}{json.dumps(key)}: {_written(value, gap, style)}{rest}"


def _less(read: _Read, member: _Member) -> str:
    """A member goes with the comma after it, or the one before; comments stay."""
    begin, comma = _end(read.text, member.key), _after_space(read.uncommented, member.stop)
    before, after = read.text[:begin], read.text[member.stop :]
    commented = before[-1] != read.uncommented[begin - 1]
    if read.uncommented[comma] == ",":
        between = read.text[member.stop : comma]
        after = (between if between.strip(_WHITE) else "") + read.text[comma + 1 :]
    else:
        comma = _end(read.uncommented, member.key) - 1
        before = before[:comma] + before[comma + 1 :] if before[comma] == "," else before
    if commented and after.lstrip(" \t")[0] not in "\r\n":
        # It would be a part of the comment.
        before += read.text[begin : member.key]
    return before + after


def _gap(read: _Read, member: _Member, style: _Style) -> str:
    """The white space before a member; of a commented one that of its own line."""
    gap = read.plain[member.begin : member.key]
    if gap == read.text[member.begin : member.key]:
        return gap
    _, newline, margin = gap.rpartition("\n")
    return style.newline + margin if newline else " "


def _written(value: Any, gap: str, style: _Style) -> str:
    """The value on lines of its own where its neighbours have theirs, else on one."""
    _, newline, margin = gap.rpartition("\n")
    if not newline:
        return json.dumps(value)
    return json.dumps(value, indent=style.unit).replace("\n", style.newline + margin)


def _members(plain: str, brace: int) -> dict[str, _Member]:
    """The members of the object whose brace is there, in order."""
    decoder = json.JSONDecoder()
    members: dict[str, _Member] = {}
    after = brace + 1
    while plain[at := _after_space(plain, after)] != "}":
        key, end = decoder.raw_decode(plain, at)
        start = _after_space(plain, _after_space(plain, end) + 1)
        _, stop = decoder.raw_decode(plain, start)
        members[key] = _Member(after, at, start, stop)
        after = _after_space(plain, stop)
        if plain[after] == ",":
            after += 1
    return members


def _close(plain: str, brace: int, members: dict[str, _Member]) -> int:
    """Where the brace is that ends an object."""
    return _after_space(plain, max((member.stop for member in members.values()), default=brace + 1))


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _end(text: str, position: int) -> int:
    """Where the white space before a position begins."""
    return len(text[:position].rstrip(_WHITE))


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
