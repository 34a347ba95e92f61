"""MCP over SSE: a stream ends when its client goes, or when the service does and owes it no answer."""

from types import TracebackType
from typing import Any, Self

import anyio
from mcp.server.lowlevel import Server
from mcp.server.sse import SseServerTransport
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from mcp_rag.http.leaving import LISTENING, Leave

SSE, MESSAGES = "/sse", "/messages/"


def routes(
    server: Server[Any], leave: Leave, *, security: TransportSecuritySettings, most: int
) -> list[BaseRoute]:
    """`most`: bytes of a message. The SDK's own routes know of no end but the client's."""
    transport = SseServerTransport(MESSAGES, security_settings=security, max_request_body_size=most)
    return [
        Route(SSE, _Streams(transport, server, leave), methods=["GET"]),
        Mount(MESSAGES, app=transport.handle_post_message),
    ]


class _Streams:
    """`GET /sse`."""

    def __init__(self, transport: SseServerTransport, server: Server[Any], leave: Leave) -> None:
        self._transport, self._server, self._leave = transport, server, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._server.create_initialization_options()
        async with self._transport.connect_sse(scope, receive, send) as (read, write):
            dialogue = _Dialogue(read, write)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._leaving, dialogue)
                await self._server.run(_Asked(dialogue, read), _Answered(dialogue, write), options)
                tasks.cancel_scope.cancel()

    async def _leaving(self, dialogue: "_Dialogue") -> None:
        await self._leave.taken.wait()
        dialogue.leave()


class _Dialogue:
    """What a client has asked on its stream and was not answered yet."""

    def __init__(self, read: Any, write: Any) -> None:
        self.read, self.write = read, write
        self._owed: set[int | str] = set()
        self._leaves = False
        self._waiting: anyio.CancelScope | None = None

    @property
    def is_over(self) -> bool:
        return self._leaves and not self._owed

    def leave(self) -> None:
        self._leaves = True
        self._end_if_over()

    async def next(self) -> SessionMessage | Exception:
        """Raises:
        anyio.EndOfStream: it is over.
        """
        if not self.is_over:
            with anyio.CancelScope() as self._waiting:
                message: SessionMessage | Exception = await self.read.receive()
                self._ask(message)
                return message
        raise anyio.EndOfStream

    async def answer(self, message: SessionMessage) -> None:
        await self.write.send(message)
        if isinstance(message.message, JSONRPCResponse | JSONRPCError) and message.message.id is not None:
            self._owed.discard(message.message.id)
            self._end_if_over()

    def _ask(self, message: SessionMessage | Exception) -> None:
        asked = message.message if isinstance(message, SessionMessage) else None
        if isinstance(asked, JSONRPCRequest) and asked.method != LISTENING:
            self._owed.add(asked.id)
        # What is called off is not answered.
        if isinstance(asked, JSONRPCNotification) and asked.method == "notifications/cancelled":
            self._owed.discard((asked.params or {}).get("requestId", ""))

    def _end_if_over(self) -> None:
        if self.is_over and self._waiting is not None:
            self._waiting.cancel()


class _Side:
    """One side of a dialogue, as the SDK holds a stream: it closes it when it is done."""

    def __init__(self, dialogue: _Dialogue, stream: Any) -> None:
        self._dialogue, self._stream = dialogue, stream

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Asked(_Side):
    """The client's side, as the SDK reads it."""

    @property
    def last_context(self) -> Any:
        """Of who sent the message: the SDK handles it there."""
        return self._stream.last_context

    async def receive(self) -> SessionMessage | Exception:
        return await self._dialogue.next()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class _Answered(_Side):
    """The server's side, as the SDK writes it."""

    async def send(self, item: SessionMessage, /) -> None:
        await self._dialogue.answer(item)
