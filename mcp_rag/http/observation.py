"""What every request leaves behind: an id, a line in the log, a measurement. Never what was in it."""

import re
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_rag import log, telemetry, tracing

REQUEST_ID = "X-Request-Id"
SANE = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")
UNMATCHED = "unmatched"

lines = log.logger()


@dataclass
class _Seen:
    """Of one request, so far. Whoever never answers has failed."""

    begun: float = field(default_factory=perf_counter)
    status: int = 500
    streams: bool = False

    @property
    def seconds(self) -> float:
        return perf_counter() - self.begun


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
        request_id, seen, method = _id(scope), _Seen(), scope["method"]
        log.begin(request_id=request_id)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                # The SDK sends some as names, and names they would be in the log.
                seen.status = int(message["status"])
                seen.streams = headers.get("content-type", "").startswith("text/event-stream")
                if seen.streams:
                    # It may last for hours, and that says nothing about how soon it was answered.
                    _measured(scope, seen)
            await send(message)

        with tracing.request(method, Headers(scope=scope)) as span:
            try:
                await self._app(scope, receive, sending)
            finally:
                if not seen.streams:
                    _measured(scope, seen)
                route, ms = _route(scope), round(seen.seconds * 1000, 1)
                tracing.answered(span, method, route, seen.status)
                lines.info("request", method=method, route=route, status=seen.status, ms=ms)


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


def _measured(scope: Scope, seen: _Seen) -> None:
    telemetry.requested(scope["method"], _route(scope), seen.status, seen.seconds)
