"""The verbs of setting up and serving: demo, install, doctor, serve, stdio."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from mcp_rag import log, pipe
from mcp_rag.cli import demo as demonstration
from mcp_rag.cli import doctor as examination
from mcp_rag.cli import install as installation
from mcp_rag.cli import output, ports
from mcp_rag.cli.clients import NAME, Client
from mcp_rag.cli.options import AsJson
from mcp_rag.cli.running import FAILED, read_settings, run
from mcp_rag.settings import Settings


def demo(as_json: AsJson = False) -> None:
    """See it work: conversations in, answers out.

    It runs on examples, in a store of its own that is gone afterwards; yours is not touched.
    """
    shown = run(demonstration.given(read_settings(), aloud=not as_json))
    if as_json:
        output.show_json(shown.model_dump(mode="json"))


def install(
    client: Annotated[Client, typer.Argument(help="Who shall have this memory.")],
    print_only: Annotated[
        bool, typer.Option("--print", help="Only show what belongs into its configuration.")
    ] = False,
    name: Annotated[str, typer.Option(help="What the server is called there.")] = NAME,
    project: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For this project only, instead of for all that the user does."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give this memory to an MCP client.

    It is written into the file where the client keeps its configuration. What else is in there stays as it
    is; a file with comments is left alone, and you are shown what to add. The MCP_RAG_ settings of this
    shell go along, except secrets.
    """
    done = installation.install(client, name=name, project=project, write=not print_only)
    for variable in done.left_out:
        output.warn(f"{variable} is secret and was not written: add it to the entry's env by hand.")
    output.show(done, installation.told(done, client), as_json=as_json)


def doctor(as_json: AsJson = False) -> None:
    """See what is wrong, and what to do about it.

    Exits with 1 if something is.
    """
    found = run(examination.examined())
    output.show(found, examination.told(found), as_json=as_json)
    if not found.ok:
        raise typer.Exit(FAILED)


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
) -> None:
    """Serve MCP and REST over HTTP.

    Streamable HTTP is at /mcp, SSE at /sse, REST at /ingest, /search, /ask and /conversations. Only this
    machine may call, without a token, until there is one (`mcp-rag token create`). Ends on Ctrl-C.
    """
    # It brings the whole MCP SDK along, which no other verb waits for.
    from mcp_rag import serving

    settings = Settings.read()
    log.configure(settings.log_level, settings.log_format)
    host = host or settings.host
    settings = settings.model_copy(update={"host": host, "embed": settings.embed if embed is None else embed})
    asyncio.run(serving.require_identification(settings))
    port = ports.free(host, settings.port if port is None else port)
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    output.warn(f"Streamable HTTP at {base}/mcp, SSE at {base}/sse. Ctrl-C ends it.")
    serving.serve(settings.model_copy(update={"port": port}))


def stdio(context: typer.Context) -> None:
    """Speak MCP over stdin and stdout, as clients start it."""
    sys.exit(pipe.main(context.args))
