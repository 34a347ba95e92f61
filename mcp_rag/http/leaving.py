"""How the service takes its leave: nobody keeps a connection to it, and nobody waits on it for nothing."""

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_rag.errors import Leaving
from mcp_rag.http.problems import problem

MCP = "/mcp"
LISTENING = "subscriptions/listen"
"""What a client calls that is not answered before the end."""


class Leave:
    """What is known of the end of the process. It may be looked at from any thread."""

    def __init__(self) -> None:
        self.told = False
        """It was told to stop, and still takes calls: whoever stands before it is to send no more."""
        self.taken = asyncio.Event()
        """It takes no more calls: what is in flight is finished."""


class LeaveTaking:
    """Ends what would outlast the process: connections that are kept, and streams that wait for news.

    A call that has no more time is told so while nothing was answered. Of an answer that is half sent the
    rest is missing, and its connection breaks off: an orderly end would pass it off as the whole.
    """

    def __init__(self, app: ASGIApp, *, leave: Leave) -> None:
        self._app, self._leave = app, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._leave, receive, send, listens=_listens(scope))
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if not self._leave.taken.is_set() or exchange.begun:
                raise
            await problem(Leaving())(scope, receive, send)
        await exchange.end()


class _Exchange:
    """One call and its answer, as they pass."""

    def __init__(self, leave: Leave, receive: Receive, send: Send, *, listens: bool) -> None:
        self._leave, self._receive, self._send = leave, receive, send
        self._listens = listens
        self._ended = self._done = False
        self.begun = False

    async def receive(self) -> Message:
        """Who only listens is taken to have gone, once there is nothing more to hear."""
        if not self._listens:
            return await self._receive()
        message = asyncio.ensure_future(self._receive())
        leaving = asyncio.ensure_future(self._leave.taken.wait())
        try:
            await asyncio.wait({message, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                return message.result()
        finally:
            message.cancel()
            leaving.cancel()
        self._ended = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._ended:
            return
        if message["type"] == "http.response.start":
            self.begun = True
            if self._leave.told:
                MutableHeaders(scope=message)["Connection"] = "close"
        else:
            self._done = not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """The client hears that it was the end, and not a failure."""
        if self._ended and self.begun and not self._done:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _listens(scope: Scope) -> bool:
    """Whether it is a stream on which no answer is owed. Of SSE, its own door knows when that is."""
    if scope["path"] != MCP:
        return False
    return scope["method"] == "GET" or Headers(scope=scope).get("mcp-method") == LISTENING
