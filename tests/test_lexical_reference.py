"""The lexical leg against an implementation of BM25 that others wrote, on the same terms."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import bm25s
import numpy as np
import pytest

from mcp_rag import importers, lexicon, reindexing
from mcp_rag.lexicon import Asked
from mcp_rag.models import EVERYTHING, NewConversation, NewMessage
from mcp_rag.postgres.store import Store
from mcp_rag.rag import DEFAULT_TENANT, Rag

SETS = Path(__file__).parents[2] / "shared" / "data"
DEPTH = 10
TOGETHER = 400
"""Messages of a benchmark set that make one conversation."""
TEXTS = """
    SELECT passage_key, context || ': ' || substr(message.text, start + 1, stop - start) AS text
    FROM passage JOIN message USING (tenant_id, message_key)
"""


class Reference:
    """bm25s over the passages of a store, with this product's terms for words."""

    def __init__(self, texts: dict[int, str]) -> None:
        counts = [lexicon.passage_counts(text, tenant_id=DEFAULT_TENANT) for text in texts.values()]
        self._places = {key: place for place, key in enumerate(texts)}
        self._index = bm25s.BM25(k1=lexicon.K1, b=lexicon.B, method="lucene")
        self._index.index([self._words(each) for each in counts], show_progress=False)

    def share(self, terms: dict[int, Asked], found: list[int]) -> float:
        """Of the best ten, how many were found; of those that are equally good any will do."""
        times = Counter({term: asked.times for term, asked in terms.items()})
        scores = self._index.get_scores(self._words(times))
        matching = min(DEPTH, int(np.count_nonzero(scores > 0)))
        if not matching:
            return 1.0
        least = np.sort(scores)[-matching] * (1 - 1e-5)
        return sum(scores[self._places[key]] >= least for key in found[:matching]) / matching

    @staticmethod
    def _words(counts: Counter[int]) -> list[str]:
        return [str(term) for term in counts.elements()]


async def overlap(store: Store, owner: asyncpg.Connection, questions: list[str]) -> float:
    """The mean share of the reference's top ten, over questions asked by words alone."""
    reference = Reference({row["passage_key"]: row["text"] for row in await owner.fetch(TEXTS)})
    shares = []
    for question in questions:
        if not (terms := lexicon.query_terms(question, tenant_id=DEFAULT_TENANT)):
            continue
        async with store.transaction(DEFAULT_TENANT, readonly=True) as tx:
            rows = await tx.search(terms, None, EVERYTHING, model_key=None, dimensions=384)
        rows.sort(key=lambda row: (-row.lexical, row.passage_key))
        shares.append(reference.share(terms, [row.passage_key for row in rows]))
    return float(np.mean(shares))


async def test_the_first_ten_by_words_are_those_of_bm25s(
    rag: Rag, store: Store, owner: asyncpg.Connection, examples: Path
) -> None:
    told = [each for each in importers.read(examples) if isinstance(each, NewConversation)]
    for each in told:
        await rag.ingest(each.conversation_id, each.messages, title=each.title, kind=each.kind)
    await reindexing.tend(store, DEFAULT_TENANT)
    chance = random.Random(7)
    messages = [message.text.split() for each in told for message in each.messages]
    questions = [" ".join(chance.choices(chance.choice(messages), k=k % 5 + 1)) for k in range(100)]
    assert await overlap(store, owner, questions) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("name", ["locomo", "squad", "qmsum"])
async def test_the_first_ten_by_words_are_those_of_bm25s_on_an_open_set(
    rag: Rag, store: Store, owner: asyncpg.Connection, name: str
) -> None:
    if not (SETS / name).exists():
        pytest.skip(f"no benchmark set in {SETS / name}")
    texts = _rows(SETS / name / "corpus.jsonl")
    for start in range(0, len(texts), TOGETHER):
        messages = [
            NewMessage(text=row["text"], speaker=row["meta"].get("speaker"))
            for row in texts[start : start + TOGETHER]
        ]
        await rag.ingest(f"{name} {start}", messages)
    await reindexing.tend(store, DEFAULT_TENANT)
    questions = [row["text"] for row in _rows(SETS / name / "queries.jsonl")]
    assert await overlap(store, owner, random.Random(7).sample(questions, 200)) >= 0.99


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
