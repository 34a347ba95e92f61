"""Whether a tenant can tell by the time of an answer what another tenant has stored."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import asyncpg

from bench.answers import first
from bench.corpus import Corpus
from bench.figures import Figure, Reference, percentile
from bench.stores import Lent, Progress, empty_store, opened, store_all
from mcp_rag.errors import UnknownConversation
from mcp_rag.identity import LOCAL
from mcp_rag.models import Address, Filters, NewConversation, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.rag import Rag

IDS = 500
"""Conversations that the other tenant has, and as many that nobody has; or fewer, one for each time."""
TELLINGS = 1_000
"""How often the other tenant has stored one sentence; or less often, likewise."""
OTHER = LOCAL.model_copy(update={"tenant_id": 2})
MAKE_OTHER = "INSERT INTO tenant (tenant_id, name, tombstone_key) VALUES (2, 'other', 'key')"
QUESTION = "What did we decide about the harbour?"
SENTENCES = "The blue lantern hangs over the harbour gate.", "The red kettle stands under the garden wall."
SETTLE = "VACUUM (ANALYZE)"
"""What the database would otherwise do by itself in the middle of it."""

Ask = Callable[[str], Awaitable[Any]]


async def measure(
    server_url: str, corpus: Corpus, embedder: Embedder, *, size: int, pairs: int, progress: Progress
) -> list[Figure]:
    """A tenant of about `size` passages asks, by turns, for what another has and for what nobody has."""
    progress(f"asking {pairs:,} times for what another tenant has")
    async with empty_store(server_url, Lent(embedder)) as (rag, url):
        await store_all(rag, first(corpus, size))
        await _execute(url, MAKE_OTHER)
        async with opened(url, Lent(embedder), caller=OTHER) as other:
            theirs, nobodys = await _fill(other, min(IDS, pairs))
            await rag.vectors.drain()
            await _execute(url, SETTLE)
            figures = []
            for name, ask, share in _attempts(rag):
                spent = await _by_turns(ask, theirs, nobodys, max(1, int(pairs * share)))
                figures.append(_figure(f"{name} that another tenant has, p50", "nobody has it", *spent))
            return [*figures, await _told_often(rag, other, url, pairs)]


async def _fill(other: Rag, count: int) -> tuple[list[str], list[str]]:
    """Ids and sources of conversations that it has, and as many that nobody has, made by the same hand."""
    random = Random(7)
    made = [f"{random.getrandbits(96):024x}" for _ in range(2 * count)]
    conversations = (
        NewConversation(conversation_id=each, source=each, messages=(NewMessage(text=f"Note {number}."),))
        for number, each in enumerate(made[:count])
    )
    await store_all(other, conversations)
    return made[:count], made[count:]


async def _told_often(rag: Rag, other: Rag, url: str, pairs: int) -> Figure:
    """Each sentence is once what another has stored and once what nobody has: they take their own time."""
    tellings = min(TELLINGS, pairs)
    spent: tuple[list[float], list[float]] = [], []
    for theirs, nobodys in (SENTENCES, SENTENCES[::-1]):
        # Named by what it has: an id that was forgotten is not taken again.
        await other.ingest(theirs, [NewMessage(text=f"{theirs} {number}") for number in range(tellings)])
        await rag.vectors.drain()
        await _execute(url, SETTLE)
        for all_of_them, some in zip(
            spent, await _by_turns(rag.search, [theirs], [nobodys], max(1, pairs // 10)), strict=True
        ):
            all_of_them += some
        await other.forget(conversation_ids=[theirs], dry_run=False)
    name = f"search for what another tenant has stored {tellings:,} times, p50"
    return _figure(name, "nobody has stored it", *spent)


async def _execute(url: str, statement: str) -> None:
    """As the owner of the store."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _attempts(rag: Rag) -> list[tuple[str, Ask, float]]:
    """Each with the share of the repetitions that it takes to see as much."""

    async def fetch(name: str) -> None:
        with suppress(UnknownConversation):
            await rag.fetch(Address(conversation_id=name))

    async def forget(name: str) -> None:
        with suppress(UnknownConversation):
            await rag.forget(conversation_ids=[name])

    async def listed(name: str) -> None:
        await rag.list_conversations(filters=Filters(source=name))

    async def search(name: str) -> None:
        await rag.search(QUESTION, filters=Filters(conversation_id=name))

    return [
        ("fetch of an id", fetch, 1),
        ("forget of an id, dry run,", forget, 1),
        ("list_conversations of a source", listed, 1),
        ("search in a conversation", search, 0.4),
    ]


async def _by_turns(
    ask: Ask, theirs: Sequence[str], nobodys: Sequence[str], pairs: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each; whoever comes second is another one each time."""
    spent: tuple[list[float], list[float]] = [], []
    for turn in range(pairs + pairs // 20):
        both = ((0, theirs[turn % len(theirs)]), (1, nobodys[turn % len(nobodys)]))
        for which, name in both[:: 1 if turn % 2 else -1]:
            started = time.perf_counter()
            await ask(name)
            if turn >= pairs // 20:
                spent[which].append((time.perf_counter() - started) * 1000)
    return spent


def _figure(name: str, reference: str, theirs: Sequence[float], nobodys: Sequence[float]) -> Figure:
    note = f"{len(theirs):,} pairs, rank test z = {rank_test(theirs, nobodys):+.1f}"
    return Figure(
        name, percentile(theirs, 0.5), "ms", Reference(reference, percentile(nobodys, 0.5)), note=note
    )


def rank_test(some: Sequence[float], others: Sequence[float]) -> float:
    """How many standard deviations `some` are greater than `others` (Mann-Whitney); beyond 3 it is no chance.

    Equal values do not occur among times, and are not allowed for.
    """
    ordered = sorted([(value, True) for value in some] + [(value, False) for value in others])
    ranks = sum(rank for rank, (_, of_some) in enumerate(ordered, start=1) if of_some)
    n, m = len(some), len(others)
    surplus = ranks - n * (n + 1) / 2 - n * m / 2
    return surplus / math.sqrt(n * m * (n + m + 1) / 12)
