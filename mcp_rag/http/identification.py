"""Who calls over HTTP: said by a bearer token, once, before any door."""

from collections.abc import Awaitable, Callable, Mapping

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_rag import identity, log
from mcp_rag.errors import InvalidToken, RagError, Unidentified
from mcp_rag.http.problems import problem
from mcp_rag.http.resource import METADATA
from mcp_rag.identity import Caller, enter

Identify = Callable[[str | None], Awaitable[Caller | None]]
"""Of a token, or of its absence."""
Challenge = Callable[[RagError, str], str | None]
"""What a refusal at a path says of how to be let in."""
OPEN = ("/health", "/version", "/docs", "/openapi.json")
"""What anybody may read."""


class Identification:
    """Lets in whom `identify` knows, and says to everything behind it who that is."""

    def __init__(
        self, app: ASGIApp, *, identify: Identify, challenge: Challenge, tools: Mapping[str, identity.Scope]
    ) -> None:
        """`tools` are what can be called over MCP, and the scope that each needs."""
        # The SDK keeps sessions to whoever opened them, by what this puts into its context.
        self._app = AuthContextMiddleware(app)
        self._identify, self._challenge, self._tools = identify, challenge, tools

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                caller = await self._caller(scope)
                self._require(caller, Headers(scope=scope))
            except RagError as error:
                told = problem(error, challenge=self._challenge(error, scope["path"]))
                await told(scope, receive, send)
                return
            enter(caller)
            log.bind(tenant_id=caller.tenant_id, caller=caller.name)
            scope["user"], scope["auth"] = _user(caller), AuthCredentials(sorted(caller.scopes))
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        kind, _, sent = Headers(scope=scope).get("authorization", "").partition(" ")
        token = sent.strip() if kind.lower() == "bearer" else None
        found = await self._identify(token)
        if found is None:
            raise Unidentified if token is None else InvalidToken
        client = scope.get("client")
        return found.model_copy(update={"address": client[0] if client else None})

    def _require(self, caller: Caller, headers: Headers) -> None:
        """Clients of a provider ask it for more when they are refused like this, and not by a tool's words.

        Only newer ones say in a header what they call, which the SDK holds against the body. The tools
        themselves refuse the others.
        """
        if caller.issuer is not None and headers.get("mcp-method") == "tools/call":
            needed = self._tools.get(headers.get("mcp-name", ""))
            if needed is not None:
                caller.require(needed)


def is_open(path: str) -> bool:
    """Whether anybody may read it: also who does not know yet where to get a token."""
    return path in OPEN or path == METADATA or path.startswith(f"{METADATA}/")


def _user(caller: Caller) -> AuthenticatedUser:
    return AuthenticatedUser(
        AccessToken(
            token="",
            client_id=caller.id,
            scopes=sorted(caller.scopes),
            subject=caller.name,
            claims={"tenant": caller.tenant_id} | ({"iss": caller.issuer} if caller.issuer else {}),
        )
    )
