"""The verbs of serving: serve, stdio."""

import asyncio
import sys
from typing import Annotated

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
    port, calls, probes = settings.port if port is None else port, None, None
    if port == 0:
        calls = listen(host, 0)
        port = port_of(calls)
        if health_port is None and "health_port" not in settings.model_fields_set:
            probes = listen(settings.health_host, 0)
            health_port = port_of(probes)
    else:
        ports.free(host, port)
    probed = settings.health_port if health_port is None else health_port
    if port == probed:
        raise InvalidSettings(
            f"Port {port} is for calls and for probes.",
            remedy="Choose another with --health-port, or 0 for none.",
        )
    settings = settings.model_copy(update={"port": port, "health_port": probed})
    base = _base(host, port)
    _announce(settings, f"Streamable HTTP at {base}/mcp, SSE at {base}/sse. Ctrl-C ends it.")
    if probed:
        _announce(settings, f"Probes at {_base(settings.health_host, probed)}/health.")
    serving.serve(settings, calls, probes)


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
