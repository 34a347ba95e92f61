"""The verbs of serving: serve, stdio."""

import asyncio
import socket
import sys
from typing import Annotated, NamedTuple

import typer

from mcp_rag import log, pipe
from mcp_rag.cli import output, ports
from mcp_rag.errors import InvalidSettings
from mcp_rag.listening import listen, port_of
from mcp_rag.settings import Settings, between_commas


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of MCP_RAG_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port, instead of MCP_RAG_PORT; 0 takes any.")
    ] = None,
    embed: Annotated[
        bool | None,
        typer.Option(
            "--embed/--no-embed",
            help="Make vectors here, or leave all passages to `mcp-rag worker`; instead of MCP_RAG_EMBED.",
            show_default=False,
        ),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for probes, instead of MCP_RAG_HEALTH_PORT; 0 for none."),
    ] = None,
    drain_seconds: Annotated[
        float | None,
        typer.Option(
            min=0, max=600, help="Seconds between SIGTERM and the end, instead of MCP_RAG_DRAIN_SECONDS."
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nothing be stored or erased, by anybody.")
    ] = False,
    tools: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Offer only these tools, between commas; instead of MCP_RAG_TOOLS."
        ),
    ] = None,
) -> None:
    """Serve MCP and REST over HTTP.

    Streamable HTTP is at /mcp, SSE at /sse, REST at /ingest, /search, /ask and /conversations. Only this
    machine may call, without a token, until there is one (`mcp-rag token create`). Ends on Ctrl-C.

    Probes are answered on a port of their own, whatever else there is to do: /livez while the process lives,
    /readyz while it can serve, /health with each part of it, /version, and /metrics for Prometheus. Nobody
    needs a token there: keep that port to yourself. With --port 0 it is any port, too.

    Told to stop by SIGTERM it is no longer ready, takes calls for --drain-seconds more, finishes those that
    it has, and exits with 0. A second signal ends that wait.
    """
    # It brings the whole MCP SDK along, which no other verb waits for.
    from mcp_rag import serving

    settings = Settings.read()
    log.configure(settings.log_level, settings.log_format)
    host = host or settings.host
    given = {
        "host": host,
        "embed": embed,
        "drain_seconds": drain_seconds,
        "read_only": read_only or None,
        "tools": tools and between_commas(tools),
    }
    settings = settings.model_copy(update={name: each for name, each in given.items() if each is not None})
    asyncio.run(serving.require_identification(settings))
    at = _listening(settings, host, settings.port if port is None else port, health_port)
    if at.port == at.health_port:
        raise InvalidSettings(
            f"Port {at.port} is for calls and for probes.",
            remedy="Choose another with --health-port, or 0 for none.",
        )
    settings = settings.model_copy(update={"port": at.port, "health_port": at.health_port})
    base = _base(host, at.port)
    _announce(settings, f"Streamable HTTP at {base}/mcp, SSE at {base}/sse. Ctrl-C ends it.")
    if at.health_port:
        _announce(settings, f"Probes at {_base(settings.health_host, at.health_port)}/health.")
    serving.serve(settings, at.calls, at.probes)


class _Listening(NamedTuple):
    """The ports, and what has them already: one that may be any is held from when it is chosen."""

    port: int
    health_port: int
    calls: socket.socket | None = None
    probes: socket.socket | None = None


def _listening(settings: Settings, host: str, port: int, health_port: int | None) -> _Listening:
    """Probes are at any port, too, where calls are and nobody has chosen one."""
    chosen = settings.health_port if health_port is None else health_port
    if port:
        return _Listening(ports.free(host, port), chosen)
    calls = listen(host, 0)
    if health_port is not None or "health_port" in settings.model_fields_set:
        return _Listening(port_of(calls), chosen, calls)
    probes = listen(settings.health_host, 0)
    return _Listening(port_of(calls), port_of(probes), calls, probes)


def _announce(settings: Settings, text: str) -> None:
    """For who started it; where programs read the log, as a line of that."""
    if settings.log_format == "json":
        log.logger().info(text)
    else:
        output.warn(text)


def _base(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def stdio(context: typer.Context) -> None:
    """Speak MCP over stdin and stdout, as clients start it."""
    sys.exit(pipe.main(context.args))
