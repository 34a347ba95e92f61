"""Which names this server answers to, and from which pages: what a page elsewhere cannot change."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_rag.http.identification import OPEN
from mcp_rag.http.problems import MEDIA_TYPE, Problem

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class Hosts:
    """Refuses calls to another name (421) and from pages of another site (403), before anybody is identified.

    A page that has its own name point at this machine could otherwise call it with its user's rights. Probes
    call by address: what is open to anybody is open by any name.
    """

    def __init__(self, app: ASGIApp, *, names: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            headers = Headers(scope=scope)
            if _name(f"//{headers.get('host', '')}") not in self._names:
                await _refusal(*MISDIRECTED)(scope, receive, send)
                return
            if (origin := headers.get("origin")) and _name(origin) not in self._names:
                await _refusal(*ELSEWHERE)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def security(names: Sequence[str]) -> TransportSecuritySettings:
    """The same for the SDK's own check."""
    hosts = [f"[{name}]" if ":" in name else name for name in names]
    return TransportSecuritySettings(
        allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
        allowed_origins=[
            f"{scheme}://{host}{port}"
            for scheme in ("http", "https")
            for host in hosts
            for port in ("", ":*")
        ],
    )


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _refusal(kind: str, status: int, title: str, remedy: str) -> JSONResponse:
    told = Problem(type=f"urn:mcp-rag:{kind}", title=title, status=status, detail=title, remedy=remedy)
    return JSONResponse(told.model_dump(), status, media_type=MEDIA_TYPE)


MISDIRECTED = (
    "Misdirected",
    421,
    "This server does not go by that name.",
    "Add the name to MCP_RAG_PUBLIC_HOSTS.",
)
ELSEWHERE = (
    "ForeignOrigin",
    403,
    "Pages of that site may not call.",
    "Add its host to MCP_RAG_PUBLIC_HOSTS.",
)
