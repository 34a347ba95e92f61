"""A store without vectors, filled by COPY: a million passages in minutes, as `Rag.ingest` would store them.

The conversations come as the product indexes them; only the way into the tables is another.
"""

from collections.abc import Iterator
from itertools import count, islice
from statistics import fmean

import asyncpg
from pgvector.asyncpg import register_vector

from bench.corpus import Corpus
from bench.stores import Progress
from mcp_rag import indexing, lexicon
from mcp_rag.indexing import IndexedPassage
from mcp_rag.models import NewConversation, StoredMessage
from mcp_rag.postgres.rows import weights
from mcp_rag.rag import DEFAULT_TENANT

_TOGETHER = 500
"""Conversations that are copied together."""
_SAMPLE = 500
"""Conversations whose passages say how long one is."""
COLUMNS = {
    "conversation": ("tenant_id", "conversation_key", "conversation_id", "title", "source", "kind"),
    "message": (
        "tenant_id", "message_key", "conversation_key", "position", "identity", "digest", "speaker",
        "sent_at", "text",
    ),
    "passage": (
        "tenant_id", "conversation_key", "message_key", "start", "stop", "context", "speaker", "sent_at",
        "terms", "weights", "length", "weighing",
    ),
}  # fmt: skip
_BEFORE = ("ALTER TABLE message DISABLE TRIGGER ALL", "ALTER TABLE passage DISABLE TRIGGER ALL")
_INDEX = "passage_terms"
_DROP = f"DROP INDEX {_INDEX}"
_STATISTICS = """
INSERT INTO term_statistic (tenant_id, term, passages)
SELECT $1::bigint, term, count(*) FROM passage, unnest(terms) AS term GROUP BY term
UNION ALL SELECT $1::bigint, 0, count(*) FROM passage
UNION ALL SELECT $1::bigint, -1, sum(length) FROM passage
"""
_WEIGHING = "INSERT INTO weighing VALUES ($1, 1, $2, $3)"
_AFTER = (
    "ALTER TABLE message ENABLE TRIGGER ALL",
    "ALTER TABLE passage ENABLE TRIGGER ALL",
    "SELECT setval(pg_get_serial_sequence('message', 'message_key'), max(message_key)) FROM message",
    "SELECT setval(pg_get_serial_sequence('conversation', 'conversation_key'), max(conversation_key)) "
    "FROM conversation",
    "VACUUM ANALYZE",
)


async def load(url: str, corpus: Corpus, *, size: int, progress: Progress) -> None:
    """Bring an empty, migrated database to `size` passages; `url` is the owner's."""
    owner = await asyncpg.connect(url)
    try:
        await register_vector(owner)
        definition = await owner.fetchval("SELECT pg_get_indexdef($1::regclass)", _INDEX)
        for statement in (*_BEFORE, _DROP):
            await owner.execute(statement)
        average = _average_length(corpus)
        await _copy(owner, corpus, size, average, progress)
        progress(f"indexing the words of {size:,} passages")
        await owner.execute("SET maintenance_work_mem = '512MB'")
        await owner.execute(definition)
        await owner.execute(_STATISTICS, DEFAULT_TENANT)
        await owner.execute(_WEIGHING, DEFAULT_TENANT, lexicon.INDEX_VERSION, average)
        for statement in _AFTER:
            await owner.execute(statement)
    finally:
        await owner.close()


async def _copy(
    owner: asyncpg.Connection, corpus: Corpus, size: int, average: float, progress: Progress
) -> None:
    stored, conversations, keys = 0, enumerate(corpus.grown(size), start=1), count(1)
    while some := list(islice(conversations, _TOGETHER)):
        rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in COLUMNS}
        for key, conversation in some:
            for table, row in _rows(key, conversation, keys, average):
                rows[table].append(row)
        for table, columns in COLUMNS.items():
            await owner.copy_records_to_table(table, records=rows[table], columns=columns)
        stored += len(rows["passage"])
        progress(f"storing {stored:,} of {size:,} passages")


def _rows(
    key: int, conversation: NewConversation, keys: Iterator[int], average: float
) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Table and row of a conversation, its messages and their passages."""
    yield "conversation", (
        DEFAULT_TENANT, key, conversation.conversation_id, conversation.title, conversation.source, "chat",
    )  # fmt: skip
    messages = [
        StoredMessage(next(keys), position, message.speaker, message.sent_at, message.text)
        for position, message in enumerate(conversation.messages)
    ]
    for message in messages:
        name = message.message_key.to_bytes(8)
        yield "message", (
            DEFAULT_TENANT, message.message_key, key, message.position, name, name, message.speaker,
            message.sent_at, message.text,
        )  # fmt: skip
    for found in indexing.index(
        messages, title=conversation.title, tenant_id=DEFAULT_TENANT, average_length=average
    ):
        yield "passage", _passage(key, found)


def _passage(conversation: int, found: IndexedPassage) -> tuple[object, ...]:
    return (
        DEFAULT_TENANT, conversation, found.message_key, found.passage.start, found.passage.stop,
        found.context, found.speaker, found.sent_at, found.terms.entries, weights(found.terms),
        found.terms.length, 1,
    )  # fmt: skip


def _average_length(corpus: Corpus) -> float:
    sample = (
        found.terms.length
        for conversation in corpus.conversations[:_SAMPLE]
        for found in indexing.index(
            [StoredMessage(0, 0, m.speaker, m.sent_at, m.text) for m in conversation.messages],
            title=conversation.title,
            tenant_id=DEFAULT_TENANT,
            average_length=lexicon.TYPICAL_LENGTH,
        )
    )
    return fmean(sample)
