"""The command line: its verbs, and how what goes wrong is told."""

import importlib
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from mcp_rag import __version__
from mcp_rag.cli import output
from mcp_rag.cli.running import EXIT_CODES, FAILED, exit_code
from mcp_rag.errors import RagError

VERBS: dict[str, dict[str, str]] = {
    "Set up": {"demo": "setup.demo", "install": "setup.install", "doctor": "setup.doctor"},
    "Use": {
        "ingest": "changes.ingest",
        "search": "questions.search",
        "ask": "questions.ask",
        "fetch": "questions.fetch",
        "list": "questions.list_conversations",
        "forget": "changes.forget",
    },
    "Keep": {"status": "questions.status", "migrate": "changes.migrate", "reembed": "changes.reembed"},
    "Judge": {"explain": "questions.explain", "eval": "evaluate.evaluate"},
    "Serve": {
        "serve": "service.serve",
        "worker": "work.worker",
        "audit": "access.audit",
        "stdio": "service.stdio",
        "token": "access.token",
    },
}
"""Where each verb is, by the panel of the help that shows it."""

PANELS = {name: panel for panel, verbs in VERBS.items() for name in verbs}
PASSED_ON: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
}


class Verbs(TyperGroup):
    """A verb is imported when somebody names it: each waits only for what it needs itself."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(PANELS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # Where there is no such verb, all that are like it are suggested.
        for name in [cmd_name] if cmd_name in PANELS else PANELS:
            if name not in self.commands:
                self.add_command(_command(name), name)
        return super().get_command(ctx, cmd_name)


def _command(name: str) -> Any:
    panel = PANELS[name]
    room, _, verb = VERBS[panel][name].partition(".")
    found = getattr(importlib.import_module(f"mcp_rag.cli.{room}"), verb)
    alone = typer.Typer(rich_markup_mode="markdown")
    if isinstance(found, typer.Typer):
        alone.add_typer(found, rich_help_panel=panel)
    else:
        alone.command(name, rich_help_panel=panel, **PASSED_ON if name == "stdio" else {})(found)
    return get_group(alone).commands[name]


app = typer.Typer(
    name="mcp-rag",
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


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
