"""What every request leaves behind: an id, a line in the log, a measurement. Never what was in it."""

import re
from time import perf_counter
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_rag import log, telemetry, tracing
from mcp_rag.tracing import Span

REQUEST_ID = "X-Request-Id"
SANE = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")
UNMATCHED = "unmatched"
LEFT = 499
"""The client left before it was answered: nginx's word for that, and no failure of ours."""

lines = log.logger()


class Observation:
    """Gives each request the id that it came with, or a new one, and says what became of it.

    The outermost: what is refused further in is seen too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _id(scope)
        log.begin(request_id=request_id)
        exchange = _Exchange(scope, receive, send, request_id)
        with tracing.request(scope["method"], Headers(scope=scope)) as span:
            try:
                await self._app(scope, exchange.receive, exchange.send)
            finally:
                exchange.end(span)


class _Exchange:
    """A request and its answer, as they pass. Whoever never answers has failed."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self._scope, self._receive, self._send, self._request_id = scope, receive, send, request_id
        self._begun, self._status = perf_counter(), 500
        self._answered = self._left = self._streams = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._answered:
            self._left, self._status = True, LEFT
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        await self._send(message)

    def end(self, span: Span) -> None:
        """Measured, told to who traces, and a line in the log."""
        if not self._streams:
            self._measured()
        method, route, ms = self._scope["method"], _route(self._scope), round(self._seconds * 1000, 1)
        tracing.answered(span, method, route, self._status)
        lines.info("request", method=method, route=route, status=self._status, ms=ms)

    def _begin(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers[REQUEST_ID] = self._request_id
        self._answered = True
        if not self._left:
            # The SDK sends some as names, and names they would be in the log.
            self._status = int(message["status"])
        self._streams = headers.get("content-type", "").startswith("text/event-stream")
        if self._streams:
            # It may last for hours, and that says nothing about how soon it was answered.
            self._measured()

    def _measured(self) -> None:
        telemetry.requested(self._scope["method"], _route(self._scope), self._status, self._seconds)

    @property
    def _seconds(self) -> float:
        return perf_counter() - self._begun


def _id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if SANE.fullmatch(given) else uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the route that was chosen; only FastAPI's own routes are told as such."""
    called = scope.get("endpoint")
    route = scope.get("route") or next((each for each in scope["app"].routes if _calls(each) is called), None)
    return UNMATCHED if called is None else getattr(route, "path", UNMATCHED)


def _calls(route: BaseRoute) -> object:
    """What a router puts into the scope for it."""
    return route.app if isinstance(route, Mount) else getattr(route, "endpoint", None)
