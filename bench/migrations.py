"""How long each revision takes on a large store, and how long those who read and write wait for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from bench.figures import Figure, Target
from bench.stores import Progress, create_database
from mcp_rag.postgres import schema

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
WAIT = Target(1000)
"""Milliseconds. Callers give up after 30 seconds."""
APART = 0.005
"""Seconds between two looks of who reads or writes."""
DIMENSIONS = 32
"""Of vectors whose index is soon made: it is asked who waits for it, and not how long it takes."""
FILL = (
    """
    INSERT INTO conversation (tenant_id, conversation_id, title, kind, message_count)
    SELECT 1, 'made-' || n, 'Made ' || n, 'chat', 20 FROM generate_series(1, {passages} / 20) AS n
    """,
    """
    INSERT INTO message (tenant_id, conversation_key, position, identity, digest, speaker, text)
    SELECT 1, conversation_key, n, int4send(n), 'd', 'Ana', repeat(md5(conversation_key || '.' || n), 8)
    FROM conversation, generate_series(0, 19) AS n
    """,
    """
    INSERT INTO passage
        (tenant_id, conversation_key, message_key, start, stop, context, speaker, terms, weights, length)
    SELECT 1, conversation_key, message_key, 0, 256, 'Made, Ana', 'Ana',
        ARRAY[message_key % 5000, 5000 + message_key % 70000, 80000 + message_key % 11],
        format('{{%s:1.5,%s:2,%s:0.5}}/1000000000', 1 + message_key % 5000, 5001 + message_key % 70000,
            80001 + message_key % 11)::sparsevec,
        40
    FROM message
    """,
    """
    INSERT INTO embedding_model (name, dimensions, fingerprint, active)
    VALUES ('made', {dimensions}, 'made', true)
    """,
    """
    INSERT INTO embedding (tenant_id, passage_key, model_key, vector)
    SELECT 1, passage_key, 1, (
        SELECT array_agg(random() - 0.5 + 0 * (passage_key + n)) FROM generate_series(1, {dimensions}) AS n
    )::vector::halfvec
    FROM passage
    """,
    "ANALYZE",
)
TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
# What a statement takes first: whoever holds a lock that it cannot have beside it keeps it waiting.
READER, WRITER = "ACCESS SHARE", "ROW EXCLUSIVE"


async def measure(url: str, *, passages: int, progress: Progress) -> list[Figure]:
    """Of a store of this size that the first revision has made; `url` is the owner's of a server."""
    first, *others = revisions()
    store = await create_database(url)
    await asyncio.to_thread(upgrade, store, first)
    owner = await asyncpg.connect(store)
    try:
        progress(f"making {passages:,} passages up")
        for statement in FILL:
            await owner.execute(statement.format(passages=passages, dimensions=DIMENSIONS))
        measured = []
        for revision in others:
            progress(f"revision {revision} on {passages:,} passages")
            upgrading = asyncio.to_thread(upgrade, store, revision)
            measured += await timed(f"revision {revision}, {passages:,} passages", store, owner, upgrading)
        progress(f"indexing the vectors of {passages:,} passages")
        indexing = schema.index_vectors(store, DIMENSIONS)
        return measured + await timed(f"index of vectors, {passages:,} passages", store, owner, indexing)
    finally:
        await owner.close()


def revisions() -> list[str]:
    """The oldest first."""
    walked = ScriptDirectory.from_config(Config(str(schema.config_file()))).walk_revisions()
    return [script.revision for script in walked][::-1]


def upgrade(url: str, revision: str) -> None:
    config = Config(str(schema.config_file()))
    config.attributes["url"] = url
    command.upgrade(config, revision)


async def timed(name: str, url: str, owner: Owner, work: Awaitable[None]) -> list[Figure]:
    """How long it takes, and how long at most a transaction beside it waits for the tables that are there."""
    tables = [row[0] for row in await owner.fetch(TABLES)]
    async with waits(url, tables, READER) as reading, waits(url, tables, WRITER) as writing:
        begun = time.perf_counter()
        await work
        took = time.perf_counter() - begun
    return [
        Figure(name, took, "s"),
        Figure("  longest wait of who reads", max(reading), "ms", target=WAIT),
        Figure("  longest wait of who writes", max(writing), "ms", target=WAIT),
    ]


@asynccontextmanager
async def waits(url: str, tables: Sequence[str], mode: str) -> AsyncIterator[list[float]]:
    """Milliseconds, of one round after another: each has a transaction with each table."""
    looks = ";".join(f"BEGIN; LOCK TABLE {table} IN {mode} MODE; COMMIT" for table in tables)
    connection, took, over = await asyncpg.connect(url), list[float](), asyncio.Event()

    async def look() -> None:
        while not (took and over.is_set()):
            begun = time.perf_counter()
            await connection.execute(looks)
            took.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(APART)

    looking = asyncio.create_task(look())
    try:
        yield took
        over.set()
        await looking
    finally:
        looking.cancel()
        await connection.close()
