"""The verbs that read: search, ask, fetch, list, status."""

from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from mcp_rag.cli import options, output, rendering
from mcp_rag.cli.options import AsJson, Cursor, Since, Until, Words
from mcp_rag.cli.running import NOT_FOUND, model_loaded, with_rag
from mcp_rag.errors import InvalidInput
from mcp_rag.models import (
    Address,
    Answer,
    ConversationPage,
    Delta,
    Done,
    Explanation,
    Extract,
    Filters,
    NoAnswer,
    SearchResult,
    Status,
    Turn,
)
from mcp_rag.rag import Rag

Wait = Annotated[
    bool,
    typer.Option("--no-wait", help="Do not wait for the model: search at once, by words alone."),
]
Accurate = Annotated[bool, typer.Option("--accurate", help="Read the best hits again: better order, slower.")]


def search(
    words: Words,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Hits on a page.")] = 8,
    conversation_id: options.ConversationId = None,
    speaker: options.Speaker = None,
    source: options.Source = None,
    tags: options.Tags = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    detailed: Annotated[bool, typer.Option("--detailed", help="Whole passages instead of snippets.")] = False,
    context: Annotated[int, typer.Option(min=0, max=3, help="Messages shown on each side of a hit.")] = 1,
    accurate: Accurate = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each hit why it ranked.")] = False,
    at_once: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Find what was said or written.

    By words and by meaning, best first. Exits with 1 when the store holds nothing on it.
    """
    filters = Filters.of(
        conversation_id=conversation_id,
        speaker=speaker,
        source=source,
        tags=tags,
        since=since,
        until=until,
    )

    async def searched(rag: Rag) -> SearchResult:
        if not at_once:
            await model_loaded(rag)
        return await rag.search(
            " ".join(words),
            limit=limit,
            filters=filters,
            cursor=cursor,
            whole=detailed,
            context=context,
            accurate=accurate,
            explain=explain,
        )

    found = with_rag(searched)
    output.show(found, rendering.search_result(found), as_json=as_json)
    if not found.results or found.confidence == "none":
        raise typer.Exit(NOT_FOUND)


def explain(
    words: Words,
    message: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Say why this message is not higher, or not there."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Hits that are explained.")] = 8,
    conversation_id: options.ConversationId = None,
    speaker: options.Speaker = None,
    source: options.Source = None,
    tags: options.Tags = None,
    since: Since = None,
    until: Until = None,
    accurate: Accurate = False,
    as_json: AsJson = False,
) -> None:
    """See why a search gives what it gives.

    How the question was understood, what each hit's score is made of, and, with --message, why a message that
    you looked for is not higher. Addresses are those that hits have: conversation://…/messages/3, or id#3.

    Parts of a score: *meaning*, likeness to the question; *reply*, the same together with the message before;
    *words* and *segment*, BM25 of the passage and of what was said around it; *coverage*, the share of the
    question's words; *speaker*, *time* and *dated*, it is by whom, from when, and says when, as was asked;
    *asking*, less for questions; *reranker*, the second stage's own score.
    """
    filters = Filters.of(
        conversation_id=conversation_id,
        speaker=speaker,
        source=source,
        tags=tags,
        since=since,
        until=until,
    )

    async def explained(rag: Rag) -> Explanation:
        await model_loaded(rag)
        return await rag.explain(
            " ".join(words),
            address=Address.parse(message) if message else None,
            limit=limit,
            filters=filters,
            accurate=accurate,
        )

    found = with_rag(explained)
    output.show(found, rendering.explanation(found), as_json=as_json)
    if not found.result.results:
        raise typer.Exit(NOT_FOUND)


def ask(
    words: Words,
    conversation_id: options.ConversationId = None,
    speaker: options.Speaker = None,
    source: options.Source = None,
    tags: options.Tags = None,
    since: Since = None,
    until: Until = None,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Earlier turns, as JSON: [{"role": "user", "text": "…"}, …], if it leans on them.',
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Get an answer, with its sources.

    It is shown as it comes; every quote in it was checked word for word. Exits with 1 when the store does not
    know.
    """
    earlier = _turns(history) if history else []
    filters = Filters.of(
        conversation_id=conversation_id,
        speaker=speaker,
        source=source,
        tags=tags,
        since=since,
        until=until,
    )

    async def asked(rag: Rag) -> Answer | NoAnswer:
        await model_loaded(rag)
        async with aclosing(rag.answering(" ".join(words), filters=filters, history=earlier)) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.reply
                if isinstance(event, Delta) and not as_json:
                    output.write(event.text)
        raise AssertionError("The last event is `Done`.")

    reply = with_rag(asked)
    output.show(reply, rendering.reply(reply, begun=True), as_json=as_json)
    if isinstance(reply, NoAnswer):
        raise typer.Exit(NOT_FOUND)


def _turns(path: Path) -> list[Turn]:
    try:
        return TypeAdapter(list[Turn]).validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"--history: {path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise InvalidInput(f"--history: {path}: {error.errors()[0]['msg']}.") from None


def fetch(
    address: Annotated[
        str,
        typer.Argument(metavar="ADDRESS", help="A conversation:// address, a hit's id, or a conversation's."),
    ],
    around: Annotated[
        int, typer.Option(min=0, max=1000, help="Of a message: so many neighbours on each side.")
    ] = 3,
    first: Annotated[
        int,
        typer.Option("--from", min=0, metavar="POSITION", help="Of a conversation: begin with this message."),
    ] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many messages.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Read a conversation, or what was said around a message."""
    where = Address.parse(address)

    async def fetched(rag: Rag) -> Extract:
        return await rag.fetch(where, around=around, first=first, limit=limit)

    read = with_rag(fetched)
    output.show(read, rendering.extract(read), as_json=as_json)


def list_conversations(
    title: Annotated[str | None, typer.Option(help="Only with this in the title or id.")] = None,
    source: options.Source = None,
    tags: options.Tags = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Conversations on a page.")] = 20,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    """List what is stored, the most recent first.

    In a pipe: id, messages, last day, source and title, between tabs.
    """
    filters = Filters.of(source=source, tags=tags, since=since, until=until)

    async def listed(rag: Rag) -> ConversationPage:
        return await rag.list_conversations(filters=filters, title=title, limit=limit, cursor=cursor)

    page = with_rag(listed)
    output.show(page, rendering.conversations(page), as_json=as_json)


def status(as_json: AsJson = False) -> None:
    """See how much is stored, and whether all is ready."""

    async def asked(rag: Rag) -> Status:
        await model_loaded(rag)
        return await rag.status()

    now = with_rag(asked)
    output.show(now, rendering.status(now), as_json=as_json)
