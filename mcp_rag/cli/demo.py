"""`mcp-rag demo`: the main job on the packaged examples, in a store that is gone afterwards."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mcp_rag import compose, importers
from mcp_rag.cli import output, rendering
from mcp_rag.cli.clients import NAME
from mcp_rag.cli.install import command
from mcp_rag.cli.output import Shown, block
from mcp_rag.errors import UnreadableSource
from mcp_rag.importers import Unread
from mcp_rag.models import Answer, Frozen, NewConversation, NoAnswer, SearchResult
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings

FILES = ("claude-export.json", "handbook.md", "team-chat.jsonl")
SEARCHES = ("opening date of the harbour café", "sourdough when it is 30 degrees", "湯種の割合は？")
QUESTION = "How much did the oven repair cost, and how long is the warranty?"
UNKNOWN = "Which phone contract did we choose?"
HITS = 2


class FileReceipt(Frozen):
    file: str
    conversations: int
    added: int
    again: int
    """Messages that were added when it was put in a second time."""


class Demonstration(Frozen):
    stored: tuple[FileReceipt, ...]
    embedded: int
    searches: dict[str, SearchResult]
    answers: dict[str, Answer | NoAnswer]
    configuration: dict[str, Any]


async def given(settings: Settings, *, aloud: bool) -> Demonstration:
    """Show what the service does. The user's own store is not touched, whatever the settings say.

    Raises:
        EmbeddedServerFailed: no Postgres can be started here.
        ModelError: the embedding model cannot be used.
    """
    stage = _Stage(aloud)
    stage.show(block(("mcp-rag demo", "bold"), ": in a store of its own, which is gone afterwards."))
    async with _own_store() as folder:
        own = {"database_url": None, "migration_database_url": None, "data_dir": folder}
        async with compose.open_rag(settings.model_copy(update=own), work=False) as rag:
            stored, embedded = await _put_in(rag, stage)
            searches = {query: await _search(rag, query, stage) for query in SEARCHES}
            answers = {question: await _ask(rag, question, stage) for question in (QUESTION, UNKNOWN)}
    configuration = _configuration(stage)
    return Demonstration(
        stored=stored, embedded=embedded, searches=searches, answers=answers, configuration=configuration
    )


class _Stage:
    def __init__(self, aloud: bool) -> None:
        self._aloud = aloud

    def title(self, title: str, what: str = "") -> None:
        self.show(block(("\n" + title, "bold magenta"), *([("  " + what, "bold")] if what else [])))

    def show(self, *shown: Shown) -> None:
        for each in shown if self._aloud else ():
            output.say(each)


@asynccontextmanager
async def _own_store() -> AsyncIterator[Path]:
    """A data folder with a server for it; both are gone afterwards, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix="mcp-rag-demo-"))
    server = EmbeddedServer(folder)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        with output.waiting("Starting a Postgres"):
            await asyncio.shield(starting)
        yield folder
    finally:
        await asyncio.wait({starting})
        await asyncio.to_thread(server.destroy)
        shutil.rmtree(folder, ignore_errors=True)


async def _put_in(rag: Rag, stage: _Stage) -> tuple[tuple[FileReceipt, ...], int]:
    stage.title("What goes in")
    stored = tuple([await _store(rag, name, stage) for name in FILES])
    with output.progress("Embedding", "passages", (await rag.status()).passages) as done:
        embedded = await rag.vectors.drain(done)
    return stored, embedded


async def _store(rag: Rag, name: str, stage: _Stage) -> FileReceipt:
    added = []
    for _ in range(2):
        receipts = [
            await rag.ingest(
                new.conversation_id,
                new.messages,
                title=new.title,
                source=new.source,
                tags=new.tags,
                kind=new.kind,
            )
            for new in await asyncio.to_thread(lambda: list(_conversations(name)))
        ]
        added.append(sum(receipt.added for receipt in receipts))
    receipt = FileReceipt(file=name, conversations=len(receipts), added=added[0], again=added[1])
    unit = "conversation " if receipt.conversations == 1 else "conversations"
    counts = f"{receipt.conversations:>4} {unit} {receipt.added:>5} messages"
    stage.show(block(f"{name:<20}{counts}", (f"   sent again: {receipt.again} added", "dim"), indent=3))
    return receipt


def _conversations(name: str) -> Iterator[NewConversation]:
    with as_file(files("mcp_rag.examples") / name) as path:
        for item in importers.read(path):
            if isinstance(item, Unread):
                raise UnreadableSource(str(item))
            yield item


async def _search(rag: Rag, query: str, stage: _Stage) -> SearchResult:
    found = await rag.search(query, limit=HITS)
    stage.title("Search", query)
    stage.show(*rendering.search_result(found.model_copy(update={"next_cursor": None})))
    return found


async def _ask(rag: Rag, question: str, stage: _Stage) -> Answer | NoAnswer:
    answer = await rag.ask(question)
    stage.title("Ask", question)
    stage.show(*rendering.reply(answer))
    return answer


def _configuration(stage: _Stage) -> dict[str, Any]:
    program, *arguments = command()
    configuration = {"mcpServers": {NAME: {"command": program, "args": [*arguments, "stdio"]}}}
    stage.title("Yours")
    stage.show(
        block("mcp-rag ingest ~/Downloads/claude-export.zip", indent=3),
        block("mcp-rag install claude-desktop   (or claude-code, vscode, cursor)", indent=3),
        block("or paste this into your client's configuration:"),
        block(json.dumps(configuration, ensure_ascii=False), indent=3),
    )
    return configuration
