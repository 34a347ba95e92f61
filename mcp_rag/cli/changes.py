"""The verbs that write: ingest, forget, migrate, reembed."""

from pathlib import Path
from typing import Annotated

import typer

from mcp_rag import compose, importers
from mcp_rag.cli import output, rendering
from mcp_rag.cli.ingest import STANDARD_INPUT, Wishes, Work, standard_input
from mcp_rag.cli.intake import told
from mcp_rag.cli.options import AsJson
from mcp_rag.cli.output import block
from mcp_rag.cli.running import FAILED, exit_code, model_loaded, read_settings, run, with_rag
from mcp_rag.errors import InvalidInput, ModelError, RagError
from mcp_rag.models import Address, Erasure, Frozen, Kind
from mcp_rag.postgres import schema
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings


class Migrated(Frozen):
    """What the database is ready for now."""

    revision: str
    dimensions: int


class Reembedded(Frozen):
    passages: int
    model: str


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files or folders; - is one text on stdin.")
    ],
    conversation_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name for the one conversation that there is.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Its title, instead of the one it brings along.")] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where it is from, e.g. claude; otherwise its form says."),
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
    """Store conversations and documents from files.

    Repeat it freely: only what is new is added. Each conversation is stored whole or not at all, so Ctrl-C
    loses nothing that was stored before. The forms that can be read:

    {forms}
    """
    piped = standard_input(conversation_id) if STANDARD_INPUT in paths else b""
    work = Work(Wishes(conversation_id, title, source, tuple(tags or ()), kind, restore), piped)
    end = _carried_out(work, paths, at_once=at_once)
    intake = work.intake(output.failure(end, exit_code(end)) if end else None)
    output.show(intake, told(intake), as_json=as_json)
    if end:
        output.tell(end)
        raise typer.Exit(exit_code(end))
    if not intake.is_whole:
        raise typer.Exit(FAILED)


def _carried_out(work: Work, paths: list[Path], *, at_once: bool) -> RagError | None:
    """Do it. Gives what ended it before its time, so that what is stored by then can be told.

    Raises:
        RagError: nothing was done.
    """

    async def ingested(rag: Rag) -> None:
        await work.store(rag, paths)
        if not at_once:
            await work.embed(rag)

    try:
        with_rag(ingested)
    except RagError as error:
        if not work.begun:
            raise
        return error
    return None


ingest.__doc__ = (ingest.__doc__ or "").format(
    forms="\n    ".join(f"- {form}" for form in importers.forms().values())
)


def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Conversations, or addresses of them.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="All that came from this source.")
    ] = None,
    position: Annotated[
        int | None, typer.Option(min=0, help="Only this message of the one conversation named.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without, it only says what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase conversations, or one message, for good.

    All that was derived goes along. What was forgotten is not stored again by a later ingest, unless that
    has --restore.
    """
    addresses = [_address(each) for each in ids or ()]
    positions = {each.position for each in addresses} - {None}
    if positions and (position is not None or len(addresses) > 1):
        raise InvalidInput(
            "The address of a message stands alone.", remedy="Name one message, or whole conversations."
        )

    async def forgotten(rag: Rag) -> Erasure:
        return await rag.forget(
            conversation_ids=[each.conversation_id for each in addresses],
            source=source,
            position=position if not positions else positions.pop(),
            dry_run=not yes,
        )

    receipt = with_rag(forgotten)
    output.show(receipt, rendering.erasure(receipt), as_json=as_json)


def migrate(
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config", help="Only print what ALEMBIC_CONFIG must be for `python -m alembic`."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the schema of this version.

    Also gives the vectors of the configured model an index. Several may run at once. The embedded server's
    database is migrated whenever it is used.
    """
    if print_config:
        typer.echo(schema.config_file())
        return
    done = run(_migrated(read_settings()))
    said = (
        f"The database is at revision {done.revision}; vectors of {done.dimensions} dimensions have an index."
    )
    output.show(done, [block(said)], as_json=as_json)


def reembed(as_json: AsJson = False) -> None:
    """Switch the store to the configured embedding model.

    Searches go on with the present model until the new one's vectors are complete.
    """
    settings = read_settings()

    async def reembedded(rag: Rag) -> int:
        await model_loaded(rag)
        with output.progress("Embedding", "passages", (await rag.status()).passages) as done:
            return await rag.vectors.replace_model(done)

    done = Reembedded(passages=with_rag(reembedded), model=settings.embedding_model)
    said = f"The store goes by {done.model} now; {done.passages:,} passages were embedded for it."
    output.show(done, [block(said)], as_json=as_json)


async def _migrated(settings: Settings) -> Migrated:
    database = compose.create_database(settings)
    try:
        with output.waiting("Migrating"):
            if settings.database_url is None:
                await database.open()
            else:
                await schema.migrate(database.owner_url)
        with output.waiting("Making the index"):
            dimensions = await _dimensions(settings)
            await schema.index_vectors(database.owner_url, dimensions)
        found = await schema.state(database.owner_url) or schema.State(schema.REVISION)
    finally:
        await database.close()
    return Migrated(revision=found.revision, dimensions=dimensions)


async def _dimensions(settings: Settings) -> int:
    embedder = compose.create_embedder(settings)
    try:
        await embedder.load()
        return embedder.model.dimensions
    except ModelError as error:
        cause = f"At revision {schema.REVISION}, but without an index for the model's vectors: {error.cause}"
        raise type(error)(cause, remedy=error.remedy) from error
    finally:
        await embedder.close()


def _address(text: str) -> Address:
    # What is to be erased is taken by its word: "team#7" can be the name of a conversation.
    return Address.parse(text) if text.startswith("conversation://") else Address(conversation_id=text)
