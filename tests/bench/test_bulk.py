"""What is loaded in bulk for the measurements is what the product would have stored and embedded."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from numpy.typing import NDArray

from bench import bulk, corpus, stores
from bench.corpus import Corpus, embedded_texts
from bench.vectors import Blends
from mcp_rag.models import NewConversation, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.rag import Rag

TABLES = {
    "conversation": "conversation_id, title, source, kind, tags, message_count, started_at, ended_at,"
    " surroundings, language",
    "message": "position, identity, digest, speaker, sent_at, text",
    "passage": "start, stop, context, speaker, sent_at, terms, length",
    "segment": "first, last, weights::text",
    "speaker_name": "name, speaker",
    "embedding": "passage_key - (SELECT min(passage_key) FROM passage), recipe, reply IS NULL",
    "term_statistic": "term, sum(passages)",
}
TOLD = Corpus(
    "a test",
    [
        NewConversation(
            conversation_id=f"talk {number}",
            title=f"Talk {number}",
            source="test",
            messages=(
                NewMessage(text=f"Where do we meet on day {number}?", speaker="Ana Lopes"),
                NewMessage(text="At the harbour, Ana, as we did the other day.", speaker="Ben"),
                NewMessage(text="The harbour it is. " * 80, speaker="Ana Lopes"),
            ),
        )
        for number in range(12)
    ],
    ["Where do we meet?"],
)


class Listening(stores.Lent):
    """Keeps the texts that it was asked to embed."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder)
        self.heard: list[str] = []

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.heard += texts
        return await super().embed_passages(texts)


@pytest.fixture
async def ingested(postgres: str, embedder: Embedder) -> AsyncIterator[tuple[Rag, str, Listening]]:
    """A store that took the conversations in through its door."""
    listening = Listening(embedder)
    async with stores.empty_store(postgres, listening) as (rag, url):
        await stores.store_all(rag, TOLD.grown(30))
        await rag.vectors.drain()
        yield rag, url, listening


@pytest.fixture
async def loaded(postgres: str, embedder: Embedder) -> AsyncIterator[tuple[Rag, str]]:
    vectors = np.eye(4, 384, dtype=np.float32)
    async with stores.empty_store(postgres, stores.Lent(embedder)) as (rag, url):
        blends = Blends(vectors, [0, 0, 1, 1])
        await bulk.load(rag, url, TOLD, blends, size=30, progress=lambda words: None)
        yield rag, url


async def rows(url: str, table: str) -> list[tuple[object, ...]]:
    columns = TABLES[table]
    grouped = " GROUP BY term" if table == "term_statistic" else ""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch(f"SELECT {columns} FROM {table}{grouped}")
    finally:
        await connection.close()
    return sorted((tuple(row) for row in found), key=repr)


async def test_it_is_row_by_row_what_ingest_would_have_stored(
    ingested: tuple[Rag, str, Listening], loaded: tuple[Rag, str]
) -> None:
    for table in TABLES:
        assert await rows(loaded[1], table) == await rows(ingested[1], table), table


async def test_every_passage_has_the_vectors_that_the_backlog_would_have_given_it(
    ingested: tuple[Rag, str, Listening], loaded: tuple[Rag, str]
) -> None:
    assert await rows(loaded[1], "embedding") == await rows(ingested[1], "embedding")
    assert await loaded[0].vectors.drain() == 0


async def test_a_store_that_was_loaded_is_searched_and_grows(loaded: tuple[Rag, str]) -> None:
    rag, _ = loaded
    await rag.ingest("later", [NewMessage(text="We meet at the lighthouse instead.")])
    await rag.vectors.drain()

    result = await rag.search("lighthouse")

    assert result.mode == "hybrid"
    assert result.results[0].conversation_id == "later"


async def test_the_encoder_is_measured_with_the_texts_that_the_product_embeds(
    ingested: tuple[Rag, str, Listening],
) -> None:
    told = [texts for conversation in TOLD.grown(30) for texts in embedded_texts(conversation)]

    assert sorted(ingested[2].heard) == sorted(text for texts in told for text in texts if text is not None)


def test_tags_hold_their_share_of_the_passages(examples: Path) -> None:
    told = corpus.gather(examples / "no sets", examples)
    sizes = dict.fromkeys(corpus.SHARES, 0)
    for conversation in told.grown(20_000):
        for share in corpus.SHARES:
            if corpus.tag(share) in conversation.tags:
                sizes[share] += len(list(embedded_texts(conversation)))

    for share, size in sizes.items():
        assert size == pytest.approx(share * 20_000, rel=0.5)
