"""A store filled by COPY, its indexes made last: a million passages in minutes.

The conversations come as the product would store them (`rows.py`); only the way into the tables is another,
and the vectors are no model's (`vectors.py`).
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import TypeAlias

import asyncpg
from pgvector.asyncpg import register_vector

from bench.corpus import Corpus, count_passages
from bench.rows import COLUMNS, Part, Row, Writer
from bench.stores import Progress
from bench.vectors import Blends
from mcp_rag import indexing, lexicon
from mcp_rag.models import StoredMessage
from mcp_rag.postgres import schema
from mcp_rag.rag import DEFAULT_TENANT, Rag

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_TOGETHER = 50
"""Conversations that are copied together."""
_WORKERS = min(4, os.cpu_count() or 1)
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
            await _copy(url, corpus, writer, size, progress)
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


async def _copy(url: str, corpus: Corpus, writer: Writer, size: int, progress: Progress) -> None:
    """By several processes: what the passages' words weigh is most of the work."""
    stored, storing = 0, set[asyncio.Future[int]]()
    with _workers() as pool:
        for part in _parts(corpus, size):
            storing.add(asyncio.get_running_loop().run_in_executor(pool, _store, url, writer, part))
            if len(storing) > _WORKERS:
                done, storing = await asyncio.wait(storing, return_when=asyncio.FIRST_COMPLETED)
                stored += sum(each.result() for each in done)
                progress(f"storing {stored:,} of {size:,} passages")
        await asyncio.gather(*storing)


def _parts(corpus: Corpus, size: int) -> Iterator[Part]:
    place, message, passage = 0, 1, 1
    conversations = corpus.grown(size)
    while some := list(islice(conversations, _TOGETHER)):
        passages = sum(map(count_passages, some))
        yield Part(some, place, message, passage, passages)
        place += len(some)
        message += sum(len(each.messages) for each in some)
        passage += passages


@contextmanager
def _workers() -> Iterator[ProcessPoolExecutor]:
    """Ctrl-C is not theirs but their parent's, which lets them end what they have begun."""
    ignore = signal.SIGINT, signal.SIG_IGN
    pool = ProcessPoolExecutor(_WORKERS, get_context("spawn"), signal.signal, ignore)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _store(url: str, writer: Writer, part: Part) -> int:
    asyncio.run(_copy_rows(url, writer.rows(part)))
    return part.passages


async def _copy_rows(url: str, rows: Mapping[str, Sequence[Row]]) -> None:
    connection = await asyncpg.connect(url)
    try:
        await register_vector(connection)
        for table, columns in COLUMNS.items():
            await connection.copy_records_to_table(table, records=rows.get(table, ()), columns=columns)
    finally:
        await connection.close()


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
