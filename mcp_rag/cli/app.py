"""The command line: its verbs, and how what goes wrong is told."""

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from mcp_rag import __version__
from mcp_rag.cli import access, changes, evaluate, output, questions, service, work
from mcp_rag.cli.running import EXIT_CODES, FAILED, exit_code
from mcp_rag.errors import RagError

app = typer.Typer(
    name="mcp-rag",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)

VERBS: dict[str, dict[str, Callable[..., None]]] = {
    "Set up": {"demo": service.demo, "install": service.install, "doctor": service.doctor},
    "Use": {
        "ingest": changes.ingest,
        "search": questions.search,
        "ask": questions.ask,
        "fetch": questions.fetch,
        "list": questions.list_conversations,
        "forget": changes.forget,
    },
    "Keep": {"status": questions.status, "migrate": changes.migrate, "reembed": changes.reembed},
    "Judge": {"explain": questions.explain, "eval": evaluate.evaluate},
    "Serve": {"serve": service.serve, "worker": work.worker, "audit": access.audit},
}
for panel, verbs in VERBS.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(verb)
app.add_typer(access.token, rich_help_panel="Serve")
app.command(
    "stdio",
    rich_help_panel="Serve",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(service.stdio)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcp-rag {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The memory of what people and their assistants have already said and written.

    Try it with `mcp-rag demo`, fill it with `mcp-rag ingest`, and give it to your assistant with
    `mcp-rag install`. Settings are environment variables that begin with MCP_RAG_.
    """


def run() -> None:
    """Do what the command line says, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where a terminal cannot show a character, that is no reason to fail.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = _exit_code()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough, as `head` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code)


def _exit_code() -> int:
    try:
        app(prog_name="mcp-rag")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except RagError as error:
        code = exit_code(error)
        output.tell(error)
        if "--json" in sys.argv:
            output.show_json({"error": output.failure(error, code)})
        return code
    return 0
