"""`mcp-rag ingest`: files to stored conversations, one transaction each, and then their vectors."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_rag import importers
from mcp_rag.cli import output
from mcp_rag.cli.intake import Intake, Refused
from mcp_rag.errors import InvalidInput, UnreadableSource
from mcp_rag.importers import Unread
from mcp_rag.importers.reading import decode
from mcp_rag.models import Kind, NewConversation, NewMessage, Receipt
from mcp_rag.rag import Rag

STANDARD_INPUT = Path("-")
Items = Iterator[NewConversation | Unread]


@dataclass(frozen=True)
class Wishes:
    """What the caller says about the conversations, in place of what their source says."""

    conversation_id: str | None = None
    title: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    kind: Kind | None = None
    restore: bool = False

    def applied(self, conversation: NewConversation) -> NewConversation:
        wished = {"title": self.title, "source": self.source, "kind": self.kind}
        update: dict[str, Any] = {name: value for name, value in wished.items() if value is not None}
        return conversation.model_copy(update=update | {"tags": (*conversation.tags, *self.tags)})


@dataclass
class Work:
    """An ingest under way. Whatever ends it, `intake` says what is stored."""

    wishes: Wishes
    piped: bytes = b""
    """What came on stdin, if that is one of the paths."""
    receipts: list[Receipt] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    embedded: int = 0

    async def store(self, rag: Rag, paths: list[Path]) -> None:
        """Read and store. Cancelled, it finishes the conversation in hand.

        Raises:
            InvalidInput: several conversations are to have one name or title.
            StoreError: the database cannot be used any more.
        """
        with output.progress("Storing", "conversations") as done:
            for path in paths:
                items = self._items(path)
                while (item := await asyncio.to_thread(self._next, items)) is not None:
                    if isinstance(item, Unread):
                        (self.passed_over if item.passed_over else self.unread).append(str(item))
                    else:
                        await _finished(self._store(rag, self.wishes.applied(item)))
                        done(1)

    async def embed(self, rag: Rag) -> None:
        """Give all that waits its vector, also what earlier runs left.

        Raises:
            ModelError, StoreError: it cannot be; what was embedded stays.
        """
        rag.vectors.start(work=False)
        with output.waiting("Loading the model"):
            await rag.vectors.ready()
        waiting = (await rag.status()).pending
        with output.progress("Embedding", "passages", waiting) as done:
            await rag.vectors.drain(lambda count: self._embedded(count, done))

    @property
    def begun(self) -> bool:
        """There is something to tell."""
        return bool(self.receipts or self.unread or self.passed_over or self.refused)

    def intake(self, error: dict[str, Any] | None = None) -> Intake:
        return Intake.of(
            self.receipts,
            self.unread,
            self.refused,
            passed_over=self.passed_over,
            embedded=self.embedded,
            error=error,
        )

    def _items(self, path: Path) -> Items:
        name = self.wishes.conversation_id
        if path == STANDARD_INPUT:
            return _document(self.piped, name)
        items = importers.read(path, conversation_id=name)
        return (
            items
            if self.wishes.title is None
            else importers.one_conversation(items, "have one title", "Leave --title out.")
        )

    def _next(self, items: Items) -> NewConversation | Unread | None:
        try:
            return next(items, None)
        except UnreadableSource as error:
            self.unread.append(str(error))
            return None

    async def _store(self, rag: Rag, new: NewConversation) -> None:
        try:
            receipt = await rag.ingest(
                new.conversation_id,
                new.messages,
                title=new.title,
                source=new.source,
                tags=new.tags or None,
                kind=new.kind,
                restore=self.wishes.restore,
            )
        except InvalidInput as error:
            self.refused.append(Refused(conversation_id=new.conversation_id, reason=error.cause))
        else:
            self.receipts.append(receipt)

    def _embedded(self, count: int, done: Callable[[int], None]) -> None:
        self.embedded += count
        done(count)


def standard_input(conversation_id: str | None) -> bytes:
    """All of stdin, which is to be one text.

    Raises:
        InvalidInput: it was given no name.
    """
    if conversation_id is None:
        raise InvalidInput("What comes on stdin has no name.", remedy="Give it one with --conversation-id.")
    return sys.stdin.buffer.read()


def _document(content: bytes, conversation_id: str | None) -> Items:
    try:
        text = decode(content)
    except UnreadableSource as error:
        raise UnreadableSource(f"stdin cannot be imported: {error.cause}.", remedy=error.remedy) from error
    name = conversation_id or ""
    yield NewConversation(conversation_id=name, messages=(NewMessage(text=text),), kind="document")


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Do it to the end, even when cancelled meanwhile, so that what was committed is known."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
