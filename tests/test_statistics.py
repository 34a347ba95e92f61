"""Positions and term statistics stay exact, whoever writes at once and in whatever order."""

import asyncio
import random

import asyncpg
import pytest

from mcp_rag.answering.extractive import Extractive
from mcp_rag.models import Address, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests import inspection
from tests.conftest import Borrowed


async def test_four_writers_of_one_conversation_at_once_lose_and_double_nothing(
    database_url: str, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    databases = [Database(url=database_url) for _ in range(4)]
    await asyncio.gather(*(database.open() for database in databases))
    rags = [Rag(Store(database), Borrowed(embedder), Extractive()) for database in databases]
    for rag in rags:
        rag.vectors.start(work=False)
    messages = [NewMessage(text=f"Message {n} of the shared export.") for n in range(40)]

    async def write(rag: Rag, until: int) -> None:
        for end in range(10, until + 1, 5):
            await rag.ingest("shared", messages[:end])

    await asyncio.gather(*(write(rag, until) for rag, until in zip(rags, (25, 30, 35, 40), strict=True)))
    await asyncio.gather(*(rag.vectors.drain() for rag in rags[:2]))
    await asyncio.gather(
        *(rag.vectors.close() for rag in rags), *(database.close() for database in databases)
    )
    assert await inspection.texts(owner, "shared") == [message.text for message in messages]
    assert await inspection.statistics(owner) == await inspection.recount(owner)
    assert await owner.fetchval("SELECT count(*) FROM embedding") == 40


@pytest.mark.parametrize("seed", range(3))
async def test_statistics_stay_exact_through_any_mix_of_writing_and_forgetting(
    rag: Rag, owner: asyncpg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    words = ["tram", "ferry", "harbour", "café", "数据库", "pg_dump", "2026", "Müller"]

    async def step() -> None:
        name, size = f"c{chance.randrange(3)}", chance.randrange(1, 5)
        sent = [
            NewMessage(text=" ".join(chance.choices(words, k=6)), message_id=chance.choice([None, "a", "b"]))
            for _ in range(size)
        ]
        held = {c.conversation_id: c for c in (await rag.list_conversations()).conversations}
        match chance.randrange(6):
            case 0 if name in held:
                await rag.forget(conversation_ids=[name], dry_run=False)
            case 1 if name in held and (first := (await rag.fetch(Address(conversation_id=name))).messages):
                place = chance.choice(first).position
                await rag.forget(conversation_ids=[name], position=place, dry_run=False)
            case 2:
                await rag.vectors.drain()
            case 3:
                text = "".join(f"# {chance.choice(words)}\n\n{chance.choice(words)}\n\n" for _ in range(size))
                title = chance.choice([None, "Old", "New"])
                await rag.ingest(
                    f"d{name}", [NewMessage(text=text)], kind="document", title=title, restore=True
                )
            case _:
                await rag.ingest(name, sent, title=chance.choice([None, "Old", "New"]), restore=True)

    for _ in range(30):
        await step()
        assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_folding_keeps_the_sums_and_leaves_one_entry_a_term(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    for n in range(5):
        await rag.ingest(f"c{n}", [NewMessage(text=f"The tram and the ferry {n}")])
    await rag.forget(conversation_ids=["c4"], dry_run=False)
    assert await owner.fetchval("SELECT count(*) FROM term_statistic") > len(await inspection.recount(owner))
    await rag.vectors.drain()
    assert await inspection.statistics(owner) == await inspection.recount(owner)
    assert await owner.fetchval("SELECT count(*) FROM term_statistic") == len(await inspection.recount(owner))
