"""A store filled by COPY, its indexes made last: a million passages in minutes.

The conversations come as the product would store them (`rows.py`); only the way into the tables is another,
and the vectors are no model's (`vectors.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import TypeAlias

import asyncpg
from pgvector.asyncpg import register_vector

from bench.corpus import Corpus
from bench.rows import COLUMNS, Writer
from bench.stores import Progress
from bench.vectors import Blends
from mcp_rag import indexing, lexicon
from mcp_rag.models import StoredMessage
from mcp_rag.postgres import schema
from mcp_rag.rag import DEFAULT_TENANT, Rag

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_TOGETHER = 200
"""Conversations that are copied together."""
_SAMPLE = 500
"""Conversations whose passages say how long one is."""
_WORDS = "passage_terms"
_STATISTICS = """
INSERT INTO term_statistic (tenant_id, term, passages)
SELECT $1::bigint, term, count(*) FROM passage, unnest(terms) AS term GROUP BY term
UNION ALL SELECT $1::bigint, 0, count(*) FROM passage
UNION ALL SELECT $1::bigint, -1, sum(length) FROM passage
"""
_WEIGHING = "INSERT INTO weighing VALUES ($1, 1, $2, $3)"
_SEQUENCES = """
SELECT setval(pg_get_serial_sequence(name, name || '_key'), last)
FROM (
    SELECT 'conversation' AS name, max(conversation_key) AS last FROM conversation
    UNION ALL SELECT 'message', max(message_key) FROM message
    UNION ALL SELECT 'passage', max(passage_key) FROM passage
) AS used
"""
_DONE = "SELECT tuples_done FROM pg_stat_progress_create_index WHERE datname = current_database()"
_LOOK_AGAIN = 5.0
"""Seconds after which the server is asked how far the index of the vectors is."""
_LINKS = 2_500
"""Bytes that the index of the vectors takes for a passage while it is made, beside the vector itself."""


async def load(rag: Rag, url: str, corpus: Corpus, blends: Blends, *, size: int, progress: Progress) -> None:
    """Bring the empty store of a service to `size` passages; `url` is its owner's."""
    assert rag.vectors.model_key is not None
    owner = await asyncpg.connect(url)
    try:
        await register_vector(owner)
        await owner.execute("SET maintenance_work_mem = '512MB'")
        average = _average(corpus)
        writer = Writer(
            blends,
            originals=len(corpus.conversations),
            model_key=rag.vectors.model_key,
            average_length=average,
        )
        await owner.execute(f"DROP INDEX embedding_{rag.vectors.dimensions}")
        async with _without_checks(owner), _without_index(owner, _WORDS):
            await _copy(owner, corpus, writer, size, progress)
            progress(f"indexing the words of {size:,} passages")
        progress(f"counting the words of {size:,} passages")
        await owner.execute(_STATISTICS, DEFAULT_TENANT)
        await owner.execute(_WEIGHING, DEFAULT_TENANT, lexicon.INDEX_VERSION, average)
        await owner.execute(_SEQUENCES)
        await _index_vectors(owner, url, rag.vectors.dimensions, size, progress)
        progress(f"vacuuming {size:,} passages")
        # Autovacuum would come by within minutes.
        await owner.execute("VACUUM ANALYZE")
    finally:
        await owner.close()


async def _copy(owner: Owner, corpus: Corpus, writer: Writer, size: int, progress: Progress) -> None:
    conversations, stored = enumerate(corpus.grown(size)), 0
    while some := list(islice(conversations, _TOGETHER)):
        rows = writer.rows(some)
        for table, columns in COLUMNS.items():
            await owner.copy_records_to_table(table, records=rows.get(table, ()), columns=columns)
        stored += len(rows["passage"])
        progress(f"storing {stored:,} of {size:,} passages")


async def _index_vectors(owner: Owner, url: str, dimensions: int, size: int, progress: Progress) -> None:
    """As the product makes the index, but with memory for so many."""
    megabytes = max(512, size * (2 * dimensions + _LINKS) // 10**6)
    making = asyncio.create_task(schema.index_vectors(url, dimensions, memory=f"{megabytes}MB"))
    try:
        while not (await asyncio.wait({making}, timeout=_LOOK_AGAIN))[0]:
            progress(f"indexing vectors, {await owner.fetchval(_DONE) or 0:,} of {size:,}")
        await making
    finally:
        making.cancel()


@asynccontextmanager
async def _without_checks(owner: Owner) -> AsyncIterator[None]:
    for table in COLUMNS:
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    yield
    for table in COLUMNS:
        await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


@asynccontextmanager
async def _without_index(owner: Owner, name: str) -> AsyncIterator[None]:
    definition = await owner.fetchval("SELECT pg_get_indexdef($1::regclass)", name)
    await owner.execute(f"DROP INDEX {name}")
    yield
    await owner.execute(definition)


def _average(corpus: Corpus) -> float:
    """Words in a passage."""
    lengths = [
        found.terms.length
        for conversation in corpus.conversations[:_SAMPLE]
        for found in indexing.index(
            [StoredMessage(0, 0, m.speaker, m.sent_at, m.text) for m in conversation.messages],
            title=conversation.title,
            tenant_id=DEFAULT_TENANT,
            average_length=lexicon.TYPICAL_LENGTH,
            language=None,
        )
    ]
    return sum(lengths) / len(lengths)
