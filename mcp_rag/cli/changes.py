"""The verbs that write: ingest, forget, migrate, reembed."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, get_args

import typer

from mcp_rag import compose, importers
from mcp_rag.cli import output, rendering
from mcp_rag.cli.ingest import STANDARD_INPUT, Wishes, Work, standard_input
from mcp_rag.cli.intake import told
from mcp_rag.cli.options import AsJson
from mcp_rag.cli.running import FAILED, Stopped, exit_code, read_settings, run, with_rag
from mcp_rag.errors import InvalidInput, ModelError, RagError
from mcp_rag.models import Address, Erasure, Frozen, Kind
from mcp_rag.postgres import schema
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings

FORMS = "\n".join(f"- {name}: {form}" for name, form in importers.forms().items())


class Migrated(Frozen):
    """What the database is ready for now."""

    revision: str
    dimensions: int


class Reembedded(Frozen):
    passages: int
    model: str


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files or folders; - is one text on stdin.")
    ],
    conversation_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name for the one conversation that there is.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Its title, instead of the one it brings along.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where it is from, e.g. claude; otherwise its form says.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Add this tag; repeat for several.")] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="A document is replaced when sent again, a chat grows.")
    ] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Store even what was forgotten.")] = False,
    at_once: Annotated[
        bool, typer.Option("--no-wait", help="Leave the vectors to the next ingest or a running server.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store conversations and documents from files. Repeat it freely: only what is new is added.

    Each conversation is stored whole or not at all, so Ctrl-C loses nothing that was stored before.
    """
    piped = standard_input(conversation_id) if STANDARD_INPUT in paths else b""
    wishes = Wishes(conversation_id, title, source, tuple(tags or ()), kind, restore)
    work = Work(wishes, piped)

    async def ingested(rag: Rag) -> None:
        await work.store(rag, paths)
        if not at_once:
            await work.embed(rag)

    try:
        with_rag(ingested)
    except (RagError, Stopped) as error:
        if not work.begun:
            raise
        _tell_end(work, error, as_json=as_json)
    intake = work.intake()
    output.show(intake, told(intake), as_json=as_json)
    if not intake.is_whole:
        raise typer.Exit(FAILED)


def _tell_end(work: Work, error: RagError | Stopped, *, as_json: bool) -> None:
    """Say what is stored although the work was cut short."""
    ...


def forget(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Conversations, or their addresses.")] = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="All that came from this source.")] = None,
    position: Annotated[int | None, typer.Option(min=0, help="Only this message of the one conversation.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without, it only says what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase conversations, or one message, with all that was derived from them.

    What was forgotten is not stored again by a later ingest, unless with --restore.
    """
    addresses = [_address(each) for each in ids or ()]
    ...
