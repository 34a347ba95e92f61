"""This server as OAuth 2.1 sees it: a protected resource, and how a client learns who lets it in.

Clients ask for what they were refused: a 401 or 403 names this server's metadata (RFC 9728), which names the
identity provider. The provider gives them a token for one resource, the URL that they call.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_rag.errors import InvalidToken, NotAllowed, RagError, Unidentified
from mcp_rag.identity import SCOPES

METADATA = "/.well-known/oauth-protected-resource"
MCP, SSE = "/mcp", "/sse"
OVER_SSE = (SSE, "/messages/")
# What programs and people ask for; `admin` is given, not asked for.
ASKED_FOR = tuple(scope for scope in SCOPES if scope != "admin")


@dataclass(frozen=True)
class Resource:
    """What an identity provider gives tokens for."""

    issuer: str
    url: str
    scope_prefix: str = ""

    @property
    def sse_url(self) -> str:
        """Clients that know only SSE call, and name, another URL of the same server."""
        return self.url.removesuffix(MCP) + SSE if self.url.endswith(MCP) else self.url

    @property
    def audiences(self) -> tuple[str, ...]:
        """Whom a token may be for."""
        return tuple({self.url: None, self.sse_url: None})

    @property
    def scopes(self) -> list[str]:
        """As the provider calls them."""
        return [self.scope_prefix + scope for scope in ASKED_FOR]

    def routes(self) -> list[Route]:
        """The metadata, wherever clients look for it."""
        documents = {
            METADATA: self.url,
            METADATA + MCP: self.url,
            METADATA + SSE: self.sse_url,
            urlsplit(_metadata_url(self.url)).path: self.url,
            urlsplit(_metadata_url(self.sse_url)).path: self.sse_url,
        }
        return [Route(path, self._told(url)) for path, url in documents.items()]

    def challenge(self, error: RagError, path: str) -> str | None:
        """What a refusal at this path says of how to be let in (RFC 6750)."""
        metadata = _metadata_url(self.sse_url if path.startswith(OVER_SSE) else self.url)
        asked = {"resource_metadata": metadata, "scope": " ".join(self.scopes)}
        if isinstance(error, InvalidToken):
            return _bearer(error="invalid_token", error_description=error.cause, **asked)
        if isinstance(error, Unidentified):
            return _bearer(**asked)
        if isinstance(error, NotAllowed) and error.scope is not None:
            asked["scope"] = self.scope_prefix + error.scope
            return _bearer(error="insufficient_scope", error_description=error.cause, **asked)
        return None

    def _told(self, url: str) -> Callable[[Request], Awaitable[JSONResponse]]:
        document = {
            "resource": url,
            "resource_name": "mcp-rag",
            "authorization_servers": [self.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": self.scopes,
        }

        async def told(_: Request) -> JSONResponse:
            return JSONResponse(document, headers={"Cache-Control": "public, max-age=3600"})

        return told


def plain_challenge(error: RagError, path: str) -> str | None:
    """Of a server that knows only its own tokens."""
    return "Bearer" if isinstance(error, Unidentified) else None


def _metadata_url(url: str) -> str:
    """Where RFC 9728 has it: between host and path."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, METADATA + parts.path.rstrip("/"), "", ""))


def _bearer(**parameters: str) -> str:
    return "Bearer " + ", ".join(f'{name}="{_quotable(text)}"' for name, text in parameters.items())


def _quotable(text: str) -> str:
    """What RFC 6750 lets stand between quotes."""
    return "".join(sign for sign in text if " " <= sign <= "~" and sign not in '"\\')
