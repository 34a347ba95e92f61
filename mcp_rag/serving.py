"""`mcp-rag serve`: MCP, REST, and who may call, in one process."""

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from mcp.server.mcpserver import MCPServer
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from mcp_rag import __version__
from mcp_rag.capacity import Capacity
from mcp_rag.compose import Starting, Startup, shared_secret, traced
from mcp_rag.errors import InvalidSettings, RagError, StoreUnavailable
from mcp_rag.http import bulk, documentation, health, hosts, openapi, problems, rest, sse
from mcp_rag.http.addresses import KeepSlashes
from mcp_rag.http.admission import Admission
from mcp_rag.http.health import Vitals
from mcp_rag.http.hosts import Hosts
from mcp_rag.http.identification import Challenge, Identification
from mcp_rag.http.leaving import Leave, LeaveTaking
from mcp_rag.http.limits import BodyLimit
from mcp_rag.http.observation import REQUEST_ID, Observation
from mcp_rag.http.oidc import IdentityProvider
from mcp_rag.http.resource import Resource, plain_challenge
from mcp_rag.log import logger, request_id
from mcp_rag.resources import News
from mcp_rag.server import create_server, offered
from mcp_rag.settings import Settings
from mcp_rag.sidecar import Server, Sidecar, create_vitals
from mcp_rag.tools import TOOLS

log = logger()

KEEP_ALIVE = 75
"""Seconds that a connection without a call is kept. Longer than proxies keep it (60, mostly): one that is
hung up on just as it is used again has lost a call."""


def serve(
    settings: Settings, calls: socket.socket | None = None, probes: socket.socket | None = None
) -> None:
    """Serve over HTTP until SIGTERM or SIGINT; calls in flight get time to finish.

    At the ports of the settings, and what listens there already is used: for `calls`, and for `probes`.

    Raises:
        InvalidSettings: something else listens on the port for probes.
    """
    # Otherwise open SSE streams are cut the moment the process is told to stop.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]  # so in the library
    startup, leave = Startup(settings), Leave()
    config = uvicorn.Config(
        create_app(startup, settings, leave),
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
    # Ctrl-C is how it is meant to end.
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        if settings.health_port:
            stack.enter_context(Sidecar(startup, settings, leave, listener=probes))
        Server(config, leave, drain=settings.drain_seconds).run(sockets=[calls] if calls else None)


def create_app(startup: Starting, settings: Settings, leave: Leave | None = None) -> FastAPI:
    """Streamable HTTP at `/mcp`, SSE at `/sse` and `/messages/`, REST beside them."""
    leave = leave or Leave()
    resource = _resource(settings)
    challenge = resource.challenge if resource else plain_challenge

    admission = Admission(
        startup.rag,
        startup.identities,
        is_open=lambda: startup.parts is not None,
        only_this_machine=is_loopback(settings.host),
        only_reads=settings.read_only,
        provider=_provider(settings, resource) if resource else None,
    )
    capacity = Capacity(settings.calls_at_once, settings.calls_waiting)
    offer = offered(settings.tools, only_reads=settings.read_only)
    news = News(startup.rag, admission.still)
    server = create_server(admission.rag, capacity, offer, partial(shared_secret, startup), news)
    transports = _over_mcp(server, settings, leave)
    vitals = create_vitals(startup, settings)
    app = FastAPI(
        title="mcp-rag",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        # Its spans name paths, and so conversations. Ours are of every route, not of its own only.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan(startup, transports.router.lifespan_context, vitals, settings),
        exception_handlers={
            RagError: _told,
            RequestValidationError: _told_invalid,
            HTTPException: _told_otherwise,
            Exception: _told_failure,
        },
        middleware=_middleware(settings, admission, challenge, leave),
    )
    app.state.rag, app.state.capacity = admission.rag, capacity
    app.state.challenge = challenge
    app.router.routes += [bulk.Bulk(longest=_most(settings)), documentation.route]
    app.include_router(rest.routes)
    app.router.routes.extend([*transports.routes, *health.open_routes(vitals)])
    app.router.routes.extend(resource.routes() if resource else [])
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]  # as FastAPI has it done
    return app


def _over_mcp(server: MCPServer[Any], settings: Settings, leave: Leave) -> Starlette:
    """All transports of MCP."""
    security, most = hosts.security(_names(settings)), _most(settings)
    app = server.streamable_http_app(transport_security=security, max_request_body_size=most)
    app.router.routes.extend(sse.routes(server.session_manager.app, leave, security=security, most=most))
    return app


def _middleware(
    settings: Settings, admission: Admission, challenge: Challenge, leave: Leave
) -> list[Middleware]:
    """From the outermost: what is refused further in has its id, and a name that is not ours has no token."""
    return [
        Middleware(KeepSlashes),
        Middleware(Observation),
        Middleware(LeaveTaking, leave=leave),
        Middleware(Hosts, names=_names(settings)),
        Middleware(
            Identification,
            identify=admission.identify,
            challenge=challenge,
            tools={tool.name: tool.scope for tool in TOOLS},
        ),
        Middleware(GZipMiddleware, compresslevel=5),
        Middleware(BodyLimit, most=_most(settings), streams=bulk.is_bulk),
    ]


def _names(settings: Settings) -> list[str]:
    return [*hosts.THIS_MACHINE, *settings.public_hosts]


def _most(settings: Settings) -> int:
    """Bytes of a body that are read."""
    return settings.max_message_mb * 2**20


async def require_identification(settings: Settings) -> None:
    """Refuse an address that others can reach where nobody can say who calls.

    Raises:
        InvalidSettings: there is no token yet, and no identity provider.
    """
    if is_loopback(settings.host) or settings.oidc_issuer is not None:
        return
    startup = Startup(settings)
    try:
        known = await (await startup.identities()).exist()
    except StoreUnavailable:
        # It is ready once there is a database. Nobody is let in there without a token, before it and after.
        return
    finally:
        await startup.close()
    if not known:
        raise InvalidSettings(
            f"MCP_RAG_HOST is {settings.host}, which others can reach, and nobody has a token yet.",
            remedy="Make one with `mcp-rag token create`, set MCP_RAG_OIDC_ISSUER, or use 127.0.0.1.",
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _resource(settings: Settings) -> Resource | None:
    """None where there are only tokens of our own."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    return Resource(settings.oidc_issuer, settings.oidc_audience, settings.oidc_scope_prefix)


def _provider(settings: Settings, resource: Resource) -> IdentityProvider:
    return IdentityProvider(
        resource,
        algorithms=settings.oidc_algorithms,
        tenant_claim=settings.oidc_tenant_claim,
        scopes_claim=settings.oidc_scopes_claim,
    )


def _lifespan(startup: Starting, inner: Any, vitals: Vitals, settings: Settings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with traced(settings):
            startup.begin()
            try:
                async with inner(app) as state:
                    yield state
            finally:
                await vitals.close()
                await startup.close()

    return lifespan


async def _told(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RagError)
    challenge: Challenge = request.app.state.challenge
    return problems.problem(error, challenge=challenge(error, request.url.path))


async def _told_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return problems.problem(problems.invalid(error.errors()))


async def _told_otherwise(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    return problems.of_the_framework(error, path, allow=rest.allowed(path))


async def _told_failure(request: Request, error: Exception) -> JSONResponse:
    """A defect of ours: the log has the rest, under the id that is told."""
    told = problems.problem(RagError("The server failed.", remedy="Report it, with the request_id."))
    # What failed has passed by the place where every other answer gets it.
    told.headers[REQUEST_ID] = request_id() or ""
    return told
