"""Bodies that come compressed."""

import asyncio
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope

from mcp_rag.errors import InvalidInput, UnknownCoding

PIECE = 64 * 2**10
"""Bytes that are unpacked at a time: whoever counts them stops long before a bomb has gone off."""
GZIP = ("gzip", "x-gzip")


def unpacked(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """The call as it would be with a body that is not compressed.

    Raises:
        UnknownCoding: it is in a way that is not known here.
    """
    coding = Headers(scope=scope).get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return scope, receive
    if coding not in GZIP:
        raise UnknownCoding
    headers = MutableHeaders(raw=list(scope["headers"]))
    for name in ("content-encoding", "content-length"):
        del headers[name]
    return {**scope, "headers": headers.raw}, _Unpacking(receive).piece


class _Unpacking:
    """A body piece by piece, however much is in it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._packed = b""
        self._more = True
        self._full = False
        self._gzip = _member()

    async def piece(self) -> Message:
        """Raises:
        InvalidInput: it is not gzip, or its end is missing.
        """
        if not self._packed and not self._full:
            if not self._more and not self._gzip.eof:
                raise InvalidInput("The body ends before its gzip does.")
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._packed, self._more = message.get("body", b""), message.get("more_body", False)
        # Others have their turn between the pieces.
        await asyncio.sleep(0)
        body = self._unpack()
        left = bool(self._packed) or self._more or not self._gzip.eof
        return {"type": "http.request", "body": body, "more_body": left}

    def _unpack(self) -> bytes:
        if self._gzip.eof and self._packed:
            # gzip may follow on gzip, and is one text.
            self._gzip = _member()
        try:
            body = self._gzip.decompress(self._packed, PIECE)
        except zlib.error as error:
            raise InvalidInput("The body is not the gzip that its Content-Encoding says.") from error
        self._packed = self._gzip.unused_data or self._gzip.unconsumed_tail
        self._full = len(body) == PIECE and not self._gzip.eof
        return body


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(16 + zlib.MAX_WBITS)
