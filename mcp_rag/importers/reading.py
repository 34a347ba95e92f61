"""What the importers share: word on what was not read, text from bytes, JSON piece by piece, moments.

Inside this package the cause of an `UnreadableSource` is what is wrong with the file, without its name.
"""

import codecs
import json
import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mcp_rag.errors import UnreadableSource
from mcp_rag.models import Frozen, NewConversation

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_JSON = json.JSONDecoder()
_JSON_SPACE = re.compile(r"[ \t\n\r]*")


class Unread(Frozen):
    """Something in a source that was left out, and why, so that nothing is left out in silence."""

    path: Path
    place: str = ""
    reason: str
    passed_over: bool = False
    """It was never meant to be read: nothing is wrong with it."""

    def __str__(self) -> str:
        where = f"{self.path}, {self.place}" if self.place else str(self.path)
        return f"{where}: {self.reason}"


class Place(Frozen):
    """Where in a file the reading is."""

    path: Path
    place: str = ""

    def within(self, part: str) -> "Place":
        return Place(path=self.path, place=f"{self.place}, {part}" if self.place else part)

    def unread(self, reason: str) -> Unread:
        return Unread(path=self.path, place=self.place, reason=reason)


def file_id(path: Path) -> str:
    """A file's name with a mark of the folder it is in: two files called notes.md are two documents."""
    folder = blake2b(str(path.resolve().parent).encode(errors="surrogateescape"), digest_size=3).hexdigest()
    return f"{path.name}~{folder}"


Items = Iterator[NewConversation | Unread]


def decode(content: bytes) -> str:
    """The text of a file: by its byte order mark, as UTF-8, or else as the Latin text of older systems.

    Raises:
        UnreadableSource: it is not text.
    """
    text = _marked(content)
    if text is None:
        text = _unmarked(content)
    if "\0" in text:
        raise _not_text()
    return text


def decode_json(content: bytes) -> str:
    """The same for JSON, which is UTF-8: bytes that are not become lone surrogates where they stand."""
    text = _marked(content)
    return content.decode("utf-8", "surrogateescape") if text is None else text


def _marked(content: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding, "replace")
    return None


def _unmarked(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if _NOT_TEXT.search(content):
            raise _not_text() from None
        # The end of a file that broke off in the middle of a character is no reason to misread all of it.
        if error.reason == "unexpected end of data":
            return content[: error.start].decode("utf-8")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _not_text() -> UnreadableSource:
    return UnreadableSource("it is not text", remedy="Convert it to Markdown or plain text first.")


def elements(text: str) -> Iterator[Any]:
    """The items of a JSON array one by one, or the one value that the text holds.

    Raises:
        UnreadableSource: when the reading comes to where the JSON is broken.
    """
    start = _skip(text, 0)
    if start == len(text):
        raise UnreadableSource("it is empty")
    if text[start] == "[":
        end = yield from _items(text, _skip(text, start + 1))
    else:
        value, end = _element(text, start)
        yield value
    if _skip(text, end) != len(text):
        raise _broken(text, end, "there is more after the end")


def _items(text: str, position: int) -> Generator[Any, None, int]:
    """The items from the first one on; gives where the array ends."""
    while text[position : position + 1] != "]":
        item, position = _element(text, position)
        yield item
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "]":
            raise _broken(text, position, "the list does not end")
    return position + 1


def _element(text: str, position: int) -> tuple[Any, int]:
    try:
        return _JSON.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise _broken(text, error.pos, error.msg) from error
    except RecursionError as error:
        raise _broken(text, position, "nested too deeply") from error
    except ValueError as error:
        raise _broken(text, position, str(error)) from error


def _broken(text: str, position: int, what: str) -> UnreadableSource:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return UnreadableSource(
        f"its JSON is broken at line {line}, column {column}: {what}", remedy="Download the export again."
    )


def _skip(text: str, position: int) -> int:
    found = _JSON_SPACE.match(text, position)
    return found.end() if found else position


def moment(value: object) -> datetime | None:
    """The time that an export states, as ISO 8601 or in seconds since 1970; None where it states none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        return aware(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def aware(when: datetime) -> datetime:
    """The time with a zone: UTC when it states none."""
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def string(value: object) -> str | None:
    """The value if it is a string with something in it."""
    return value if isinstance(value, str) and value.strip() else None


def mappings(value: object) -> list[dict[str, Any]]:
    """The objects in a JSON list; anything else holds none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
