"""How much is read of a body: refused by what it says of itself, or as soon as it is more."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_rag.errors import RagError, TooLarge
from mcp_rag.http.compression import unpacked
from mcp_rag.http.problems import problem


class BodyLimit:
    """Unpacks bodies, and answers 413 before one that is larger, unpacked, is read whole.

    What `streams` is read by its lines, by somebody who keeps one line at a time and counts for himself.
    """

    def __init__(self, app: ASGIApp, *, most: int, streams: Callable[[Scope], bool]) -> None:
        """`most` in bytes."""
        self._app, self._most, self._streams = app, most, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(send)
        try:
            scope, body = self._body(scope, receive)
            await self._app(scope, exchange.reading(body), exchange.send)
        except RagError as error:
            exchange.refusal = exchange.refusal or error
            if exchange.begun:
                raise
        if exchange.refusal is not None and not exchange.begun:
            await problem(exchange.refusal)(scope, receive, send)

    def _body(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        if self._streams(scope):
            return unpacked(scope, receive)
        told = Headers(scope=scope).get("content-length", "0")
        if told.isascii() and told.isdigit() and int(told) > self._most:
            raise too_large(self._most)
        scope, receive = unpacked(scope, receive)
        return scope, self._counted(receive)

    def _counted(self, receive: Receive) -> Receive:
        read = 0

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise too_large(self._most)
            return message

        return counting


class _Exchange:
    """What is answered, unless the body turns out to be none that is read.

    Whoever reads it behind us may have made something else of that.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.refusal: RagError | None = None
        self.begun = False

    def reading(self, receive: Receive) -> Receive:
        async def read() -> Message:
            try:
                return await receive()
            except RagError as error:
                self.refusal = error
                raise

        return read

    async def send(self, message: Message) -> None:
        if self.begun or self.refusal is None:
            self.begun = True
            await self._send(message)


def too_large(most: int) -> TooLarge:
    return TooLarge(f"At most {most // 2**20} MiB are read.")
