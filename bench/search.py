"""Searches beside what they are made of: embedding the question, and the statement by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.asyncpg import register_vector

from bench.figures import Figure, Reference, Target, percentile
from mcp_rag import lexicon
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import _SESSION
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.store import EXACT_SCAN, LEG_DEPTH, POSTINGS
from mcp_rag.rag import DEFAULT_TENANT, Rag

BLOCK = 20
"""Searches of one store before it is the other's turn: machines are busy by turns, and caches get warm."""
P50_TARGET, GROWTH_TARGET = Target(1.5), Target(2.5)
ALL = 2**31 - 1
"""More passages than a store has: below this size of a scope, scan it exactly."""


class ByHand:
    """What somebody would do without the product: a connection, the statement, its parameters."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", rag: Rag) -> None:
        self._connection = connection
        self._model_key, self._dimensions = rag.vectors.model_key, rag.vectors.dimensions

    async def find(
        self,
        terms: dict[int, int],
        vector: NDArray[np.float32] | None,
        *,
        exact: int = EXACT_SCAN,
        explain: str = "",
    ) -> list[asyncpg.Record]:
        async with self._connection.transaction(readonly=True):
            await self._connection.execute(sql("set_tenant"), DEFAULT_TENANT)
            return await self._connection.fetch(
                explain + sql("search", dimensions=self._dimensions),
                DEFAULT_TENANT, list(terms), list(terms.values()),
                None if vector is None else HalfVector(vector), self._model_key,
                None, None, None, None, None, None, LEG_DEPTH, POSTINGS, exact,
            )  # fmt: skip

    async def route(self, terms: dict[int, int], vector: NDArray[np.float32]) -> str:
        """Whether the vectors are scanned or their index answers, as the server says that it did."""
        plan = await self.find(terms, vector, explain="EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ")
        index = [row[0] for row in plan if f"embedding_{self._dimensions} " in row[0]]
        return (
            "by the vector index" if any("never executed" not in line for line in index) else "by exact scan"
        )


@asynccontextmanager
async def by_hand(url: str, rag: Rag) -> AsyncIterator[ByHand]:
    connection = await asyncpg.connect(url, server_settings=_SESSION)
    try:
        await register_vector(connection)
        yield ByHand(connection, rag)
    finally:
        await connection.close()


@dataclass(frozen=True)
class Subject:
    """A filled store, and how long each search of it took, in milliseconds, by what was done."""

    size: int
    rag: Rag
    hand: ByHand
    took: dict[str, list[float]] = field(default_factory=dict)

    def at(self, what: str, share: float) -> float:
        return percentile(self.took[what], share)


async def measure(subjects: Sequence[Subject], embedder: Embedder, questions: Sequence[str]) -> list[Figure]:
    """Time the questions on every store, the product and its parts by turns."""
    for subject in subjects:
        await _ask(subject, embedder, questions[:8])
        subject.took.clear()
    for start in range(0, len(questions), BLOCK):
        for subject in subjects:
            await _ask(subject, embedder, questions[start : start + BLOCK])
    figures = [figure for subject in subjects for figure in _figures(subject)]
    small, large = subjects[0], subjects[-1]
    if small is not large:
        figures.append(
            Figure(
                f"search p95, {large.size:,} passages",
                large.at("search", 0.95),
                "ms",
                Reference(f"the same at {small.size:,}", small.at("search", 0.95)),
                GROWTH_TARGET,
            )
        )
    for subject in subjects:
        figures.append(await _recall(subject, embedder, questions[:50]))
    return figures


async def _ask(subject: Subject, embedder: Embedder, questions: Sequence[str]) -> None:
    for number, question in enumerate(questions):
        terms = lexicon.query_terms(question, tenant_id=DEFAULT_TENANT)
        vector = await embedder.embed_query(question)
        ways: dict[str, Callable[[], Awaitable[Any]]] = {
            "search": lambda q=question: subject.rag.search(q),
            "bare": lambda q=question, t=terms: _bare(subject.hand, embedder, q, t),
            "embedding": lambda q=question: embedder.embed_query(q),
            "both legs": lambda t=terms, v=vector: subject.hand.find(t, v),
            "words": lambda t=terms: subject.hand.find(t, None),
            "meaning": lambda v=vector: subject.hand.find({}, v),
        }
        names = list(ways)
        turned = names[number % len(names) :] + names[: number % len(names)]
        for name in turned if number % 2 else reversed(turned):
            started = time.perf_counter()
            await ways[name]()
            subject.took.setdefault(name, []).append((time.perf_counter() - started) * 1000)


async def _bare(hand: ByHand, embedder: Embedder, question: str, terms: dict[int, int]) -> None:
    await hand.find(terms, await embedder.embed_query(question))


def _figures(subject: Subject) -> list[Figure]:
    at = f"{subject.size:,} passages"
    figures = [
        Figure(
            f"search {name}, {at}",
            subject.at("search", share),
            "ms",
            Reference("embedding and SQL by hand", subject.at("bare", share)),
            P50_TARGET if share == 0.5 else None,
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]
    parts = {
        "embedding": "the question's embedding",
        "both legs": "the SQL, both legs",
        "words": "the SQL, words only",
        "meaning": "the SQL, meaning only",
    }
    figures += [
        Figure(f"  {name} p50, {at}", subject.at(part, 0.5), "ms", note=f"p95 {subject.at(part, 0.95):.0f} ms")
        for part, name in parts.items()
    ]
    return figures


async def _index(subject: Subject, embedder: Embedder, questions: Sequence[str]) -> list[Figure]:
    """How the vectors are found at this size, and what the index would miss of an exact scan."""
    vectors = [await embedder.embed_query(question) for question in questions]
    route = await subject.hand.route({}, vectors[0])
    return [
        Figure(
            f"  nearest {depth} that the vector index finds, {subject.size:,} passages",
            statistics.mean([await _recall(subject.hand, vector, depth) for vector in vectors]),
            "of 1",
            note=f"at this size the product goes {route}",
        )
        for depth in (10, LEG_DEPTH)
    ]


async def _recall(hand: ByHand, vector: NDArray[np.float32], depth: int) -> float:
    exact = await _nearest(hand, vector, depth, exact=ALL)
    return len(exact & await _nearest(hand, vector, depth, exact=0)) / len(exact)


async def _nearest(hand: ByHand, vector: NDArray[np.float32], depth: int, *, exact: int) -> set[int]:
    rows = await hand.find({}, vector, exact=exact)
    best = sorted(rows, key=lambda row: (-row["similarity"], row["passage_key"]))[:depth]
    return {row["passage_key"] for row in best}


async def _bytes(subject: Subject) -> list[Figure]:
    sizes = await subject.hand.sizes()
    ...
