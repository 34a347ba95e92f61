"""What a client that wants a log is told of its calls, as they are worked on.

It says from which level on: once for a session (`logging/setLevel`), or with each call since 2026-07-28. Who
says nothing is told nothing. No question and no passage of the store stands in it: what was done, what went
wrong and, of what the caller sent, ids and names of arguments.
"""

from contextvars import ContextVar
from functools import partial
from typing import Annotated, Any, get_args

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer, Resolve
from mcp.types import (
    LOG_LEVEL_META_KEY,
    EmptyResult,
    LoggingLevel,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    SetLevelRequestParams,
)

from mcp_rag.tools.progress import Say

LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""The least severe first, as RFC 5424 has them."""
SESSIONS = "mcp_rag.log_level"
"""Where a session of the older era keeps its level."""

Request = ServerRequestContext[Any, Any]


def register(server: MCPServer[Any]) -> None:
    """Let a session say from which level on it wants the log; the SDK then promises one."""

    async def set_level(request: Request, params: SetLevelRequestParams) -> EmptyResult:
        _state(request)[SESSIONS] = params.level
        return EmptyResult()

    # MCPServer has no public way to serve it; the SDK's migration guide names this.
    server._lowlevel_server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)


class ClientLog:
    """The log of one call, for the client that made it."""

    def __init__(self, request: Request, tool: str, say: Say) -> None:
        self._request, self._tool, self._say = request, tool, say

    def __call__(self, level: LoggingLevel, text: str) -> None:
        """Tell it, where the client wants to hear of what is so severe."""
        wanted = _wanted(self._request)
        if wanted is not None and LEVELS.index(level) >= LEVELS.index(wanted):
            self._say(partial(self._send, level, text))

    async def _send(self, level: LoggingLevel, text: str) -> None:
        # What the SDK has for this warns, with each line, that logs are on their way out of the protocol.
        line = LoggingMessageNotificationParams(level=level, logger=self._tool, data=text)
        await self._request.session.send_notification(
            LoggingMessageNotification(params=line), related_request_id=self._request.request_id
        )


def _wanted(request: Request) -> LoggingLevel | None:
    said = (request.meta or {}).get(LOG_LEVEL_META_KEY) or _state(request).get(SESSIONS)
    # Of older sessions the SDK lets anything stand there.
    return next((level for level in LEVELS if level == said), None)


def _state(request: Request) -> dict[str, Any]:
    """What lasts as long as the session; the SDK gives handlers no other way to it."""
    return request.session._connection.state


_current: ContextVar[ClientLog] = ContextVar("client_log")


def begin(context: Context[Any, Any], tool: str, say: Say) -> ClientLog:
    """The log of the call that begins here; its lines are given to `say` to be sent."""
    log = ClientLog(context.request_context, tool, say)
    _current.set(log)
    return log


def current() -> ClientLog:
    return _current.get()


async def of_call() -> ClientLog:
    return current()


Logged = Annotated[ClientLog, Resolve(of_call)]
