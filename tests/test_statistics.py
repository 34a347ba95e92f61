"""Positions and term statistics stay exact, whoever writes at once and in whatever order."""

import asyncio
import random
from contextlib import suppress

import asyncpg
import pytest

from mcp_rag import lexicon, reindexing
from mcp_rag.errors import UnknownConversation
from mcp_rag.models import Address, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import DEFAULT_TENANT, Rag
from tests import inspection
from tests.conftest import Borrowed


async def test_four_writers_of_one_conversation_at_once_lose_and_double_nothing(
    database_url: str, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    databases = [Database(url=database_url) for _ in range(4)]
    await asyncio.gather(*(database.open() for database in databases))
    rags = [Rag(Store(database), Borrowed(embedder)) for database in databases]
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


AVERAGES = """
    SELECT DISTINCT weighing.revision, passage.weighing, average_length
    FROM passage JOIN weighing USING (tenant_id)
"""
STORED = "SELECT passage_key, context, terms, weights::text, length FROM passage ORDER BY passage_key"


def long_and_short(chance: random.Random, count: int, longest: int) -> list[NewMessage]:
    words = ["tram", "ferry", "harbour", "café", "数据库", "pg_dump", "2026", "Müller"]
    return [
        NewMessage(text=" ".join(chance.choices(words, k=chance.randrange(1, longest)))) for _ in range(count)
    ]


async def expected_weights(owner: asyncpg.Connection) -> dict[int, dict[int, float]]:
    """What each passage's terms weigh under the average of all that is stored."""
    rows = await owner.fetch(
        "SELECT passage_key, context || ': ' || substr(message.text, start + 1, stop - start) AS text, "
        "avg(length) OVER ()::float8 AS average FROM passage JOIN message USING (tenant_id, message_key)"
    )
    terms = {
        row["passage_key"]: lexicon.passage_terms(
            row["text"], tenant_id=DEFAULT_TENANT, average_length=row["average"]
        )
        for row in rows
    }
    return {key: dict(zip(each.terms, each.weights, strict=True)) for key, each in terms.items()}


async def stored_weights(owner: asyncpg.Connection) -> dict[int, dict[int, float]]:
    rows = await owner.fetch("SELECT passage_key, weights::text FROM passage")
    pairs = {key: text.partition("}")[0].strip("{").split(",") for key, text in rows}
    return {
        key: {int(term): float(weight) for term, _, weight in (pair.partition(":") for pair in each)}
        for key, each in pairs.items()
    }


async def test_weights_follow_the_average_length_of_the_whole_store(
    rag: Rag, store: Store, owner: asyncpg.Connection
) -> None:
    chance = random.Random(1)
    for conversation, longest in enumerate((6, 60, 150)):
        await rag.ingest(f"c{conversation}", long_and_short(chance, 150, longest))
        await reindexing.tend(store, DEFAULT_TENANT)
        stored, expected = await stored_weights(owner), await expected_weights(owner)
        assert stored.keys() == expected.keys()
        assert all(stored[key] == pytest.approx(expected[key], rel=0.01) for key in stored)
        assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_a_store_whose_average_stays_is_not_indexed_again(
    rag: Rag, store: Store, owner: asyncpg.Connection
) -> None:
    await rag.ingest("c", [NewMessage(text=f"the tram number {n}") for n in range(50)])
    assert await reindexing.tend(store, DEFAULT_TENANT) == 50
    await rag.ingest("d", [NewMessage(text=f"the ferry number {n}") for n in range(50)])
    assert await reindexing.tend(store, DEFAULT_TENANT) == 0
    assert [tuple(row)[:2] for row in await owner.fetch(AVERAGES)] == [(1, 1)]


async def test_passages_of_an_older_lexicon_are_indexed_again_and_those_of_a_newer_one_left_alone(
    rag: Rag, store: Store, owner: asyncpg.Connection
) -> None:
    await rag.ingest("c", [NewMessage(text="the tram to the harbour", speaker="Ana")], title="Trip")
    await reindexing.tend(store, DEFAULT_TENANT)
    right = [tuple(row) for row in await owner.fetch(STORED)]
    await owner.execute("UPDATE weighing SET index_version = index_version - 1")
    await owner.execute(
        "UPDATE passage SET terms = '{7}', weights = '{7:1}/1000000000', context = '', length = 1"
    )
    await owner.execute("DELETE FROM term_statistic")
    await owner.execute(
        "INSERT INTO term_statistic (tenant_id, term, passages) VALUES (1, 7, 1), (1, 0, 1), (1, -1, 1)"
    )
    assert await reindexing.tend(store, DEFAULT_TENANT) > 0
    again = [tuple(row) for row in await owner.fetch(STORED)]
    assert again == right
    assert await inspection.statistics(owner) == await inspection.recount(owner)
    await owner.execute("UPDATE weighing SET index_version = index_version + 1")
    await owner.execute("UPDATE passage SET weighing = 1")
    assert await reindexing.tend(store, DEFAULT_TENANT) == 0


async def test_whoever_writes_forgets_and_indexes_again_at_once_the_counts_end_up_exact(
    database_url: str, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    databases = [Database(url=database_url) for _ in range(3)]
    await asyncio.gather(*(database.open() for database in databases))
    rags = [Rag(Store(database), Borrowed(embedder)) for database in databases]
    rags[0].vectors.start(work=False)

    async def write(rag: Rag, seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(12):
            name = f"c{chance.randrange(4)}"
            messages = long_and_short(chance, chance.randrange(1, 12), 4 + 12 * turn)
            title = chance.choice([None, "Old", "New"])
            await rag.ingest(name, messages, title=title, restore=True, kind="chat")
            if chance.random() < 0.3:
                with suppress(UnknownConversation):  # Another writer may have been faster.
                    await rag.forget(conversation_ids=[name], dry_run=False)

    async def tend(database: Database, done: asyncio.Event) -> None:
        while not done.is_set():
            await reindexing.tend(Store(database), DEFAULT_TENANT)

    done = asyncio.Event()
    tending = [asyncio.create_task(tend(database, done)) for database in databases[1:]]
    await asyncio.gather(*(write(rag, seed) for seed, rag in enumerate([*rags, *rags])))
    await rags[0].vectors.drain()
    done.set()
    await asyncio.gather(*tending)
    await rags[0].vectors.drain()
    assert await inspection.statistics(owner) == await inspection.recount(owner)
    assert await owner.fetchval("SELECT count(*) FROM passage") > 0
    ((revision, weighing, average),) = await owner.fetch(AVERAGES)
    assert revision == weighing > 1
    assert average == pytest.approx(await owner.fetchval("SELECT avg(length)::float8 FROM passage"), rel=0.03)
    await asyncio.gather(
        *(rag.vectors.close() for rag in rags), *(database.close() for database in databases)
    )
