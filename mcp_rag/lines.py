"""What the pipe and the resident both know of the wire: JSON-RPC messages, one per line.

Standard library only: the pipe imports this, and starts in the time it takes to say hello.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603

ENDLESS = frozenset({"subscriptions/listen"})
"""Requests that stay open by design: nobody who leaves waits for their answers."""

# A message up to this size is parsed whole; of a larger one only the ends are read.
_SMALL = 64 * 1024
_KEPT = 4 * 1024

_SCALAR = rb'("(?:[^"\\]|\\.)*"|-?\d+|null)'
_FIRST_PAIRS = re.compile(rb'\s*[{,]\s*"(jsonrpc|id|method)"\s*:\s*' + _SCALAR + rb"(?=\s*[,}])")
_NEXT_KEY = re.compile(rb'\s*[{,]\s*"(result|error)"\s*:')
# Read from the end: a quote with no backslash in front is a real one, so these pairs are outside of every
# string, and what stands right before the last brace is on the top level.
_LAST_PAIRS = re.compile(
    rb'(?:,\s*"(?:jsonrpc|id|method)"\s*:\s*(?:"[^"\\]*"|-?\d+|null)\s*){1,3}\}\s*\Z',
)
_PAIR = re.compile(rb'"(jsonrpc|id|method)"\s*:\s*("[^"\\]*"|-?\d+|null)')


class Oversized(NamedTuple):
    """A line longer than allowed: only its ends were kept."""

    head: bytes
    tail: bytes


class Lines:
    """Cuts a stream of bytes into lines, in linear time and bounded memory. Blank lines are left out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line = bytearray()
        self._oversized: Oversized | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes | Oversized]:
        """The lines that `chunk` completes, without their newlines."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._keep(chunk[start:end])
            yield from self._take()
            start = end + 1
        self._keep(chunk[start:])

    def _keep(self, piece: bytes) -> None:
        if self._oversized is not None:
            self._oversized = Oversized(self._oversized.head, (self._oversized.tail + piece)[-_KEPT:])
        elif len(self._line) + len(piece) <= self._limit:
            self._line += piece
        else:
            self._line += piece
            self._oversized = Oversized(bytes(self._line[:_KEPT]), bytes(self._line[-_KEPT:]))
            self._line = bytearray()

    def _take(self) -> Iterator[bytes | Oversized]:
        line: bytes | Oversized = self._oversized or bytes(self._line)
        self._line, self._oversized = bytearray(), None
        if isinstance(line, Oversized) or (line and not line.isspace()):
            yield line


def envelope(line: bytes) -> dict[str, Any]:
    """The message without its payload: at least `id`, `method`, `result` and `error` as far as it has them.

    Of a large message the payload is not parsed, and what stands for it is None. Empty when the line is
    not a JSON object.
    """
    if len(line) > _SMALL:
        found = ends(line, line)
        if "id" in found and found.keys() & {"method", "result", "error"}:
            return found
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def ends(head: bytes, tail: bytes) -> dict[str, Any]:
    """What the first and the last bytes of a message tell about it, also of one that is broken in between."""
    found: dict[str, Any] = {}
    position = 0
    while pair := _FIRST_PAIRS.match(head, position, _KEPT):
        found[pair[1].decode()] = _scalar(pair[2])
        position = pair.end()
    if key := _NEXT_KEY.match(head, position, _KEPT):
        found[key[1].decode()] = None
    if last := _LAST_PAIRS.search(tail[-_KEPT:]):
        found |= {name.decode(): _scalar(value) for name, value in _PAIR.findall(last[0])}
    return found


def _scalar(text: bytes) -> str | int | None:
    try:
        value: str | int | None = json.loads(text)
    except ValueError:
        return None
    return value


def request_id(message: dict[str, Any]) -> str | int | None:
    """The id by which the message is answered, or None where it has none that is allowed."""
    value = message.get("id")
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def error_line(to: str | int | None, code: int, message: str) -> bytes:
    """A JSON-RPC error as a line, with its newline."""
    return notice({"jsonrpc": "2.0", "id": to, "error": {"code": code, "message": message}})


def notice(message: dict[str, Any]) -> bytes:
    """A message as a line, with its newline."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
