"""Chats that the tests of search make up, and what search says of them."""

from collections.abc import Sequence
from datetime import datetime

from mcp_rag.models import Filters, NewMessage, SearchResult
from mcp_rag.rag import Rag

Said = tuple[str | None, str] | tuple[str | None, str, datetime]
"""Speaker and text, and when."""


def messages(said: Sequence[Said]) -> list[NewMessage]:
    return [
        NewMessage(speaker=speaker, text=text, sent_at=when[0] if when else None)
        for speaker, text, *when in said
    ]


async def keep(rag: Rag, name: str, *said: Said, title: str | None = None) -> None:
    """Store a chat. It is found by its words, and by meaning once `rag.vectors.drain()` was called."""
    await rag.ingest(name, messages(said), title=title)


def ids(found: SearchResult) -> list[str]:
    return [hit.id for hit in found.results]


async def ranked_higher(rag: Rag, question: str, part: str, *, now: datetime | None = None) -> set[str]:
    """The hits whose score has this part."""
    found = await rag.search(question, explain=True, limit=50, now=now)
    return {hit.id for hit in found.results if part in (hit.why or {})}


async def persons(rag: Rag, question: str, filters: Filters | None = None) -> set[str | None]:
    """Whose messages rank higher because the question names them."""
    found = await rag.search(question, explain=True, limit=50, filters=filters or Filters())
    return {hit.speaker for hit in found.results if "speaker" in (hit.why or {})}
