"""Who calls over HTTP: said by a bearer token, once, before any door."""

from collections.abc import Awaitable, Callable

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_rag.errors import RagError, Unidentified
from mcp_rag.http.problems import problem
from mcp_rag.identity import Caller, enter

Identify = Callable[[str | None], Awaitable[Caller | None]]
"""Of a token, or of its absence."""
OPEN = ("/health", "/version", "/docs", "/openapi.json")
"""What anybody may read."""


class Identification:
    """Lets in whom `identify` knows, and says to everything behind it who that is."""

    def __init__(self, app: ASGIApp, *, identify: Identify) -> None:
        # The SDK keeps sessions to whoever opened them, by what this puts into its context.
        self._app = AuthContextMiddleware(app)
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            try:
                caller = await self._caller(scope)
            except RagError as error:
                await problem(error)(scope, receive, send)
                return
            enter(caller)
            scope["user"], scope["auth"] = _user(caller), AuthCredentials(sorted(caller.scopes))
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        found = await self._identify(token.strip() if kind.lower() == "bearer" else None)
        if found is None:
            raise Unidentified
        client = scope.get("client")
        return found.model_copy(update={"address": client[0] if client else None})


def _user(caller: Caller) -> AuthenticatedUser:
    return AuthenticatedUser(
        AccessToken(
            token="",
            client_id=caller.id,
            scopes=sorted(caller.scopes),
            subject=caller.name,
            claims={"tenant": caller.tenant_id},
        )
    )
