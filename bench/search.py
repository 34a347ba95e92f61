"""Searches beside what they are made of: embedding the question, and the statements by hand."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.by_hand import NO_WORDS, ByHand, prepared
from bench.figures import Figure, Reference, Target, percentile
from mcp_rag.ports import Embedder
from mcp_rag.rag import Rag

BLOCK = 20
"""Questions to one store before it is the other's turn: a busy machine is so for both, caches get warm."""
OVERHEAD, GROWTH = Target(1.5), Target(2.5)

PARTS = {
    "embedding": "the question's embedding",
    "understanding": "the SQL before the legs: names, languages",
    "statement": "the SQL of the legs, both",
    "words": "the SQL of the legs, words only",
    "meaning": "the SQL of the legs, meaning only",
}
LARGE = 100_000
"""Passages up to which a search may take only so many times as long as in the smallest store."""


@dataclass(frozen=True)
class Subject:
    """A filled store, and how many milliseconds each search of it took, by what was done."""

    size: int
    rag: Rag
    hand: ByHand
    url: str
    took: dict[str, list[float]] = field(default_factory=dict)

    def at(self, what: str, share: float) -> float:
        return percentile(self.took[what], share)


async def measure(subjects: Sequence[Subject], embedder: Embedder, questions: Sequence[str]) -> list[Figure]:
    """Ask the questions of every store, the product and its parts by turns."""
    for subject in subjects:
        await _ask(subject, embedder, questions[:BLOCK])
        subject.took.clear()
    for start in range(0, len(questions), BLOCK):
        for subject in subjects:
            await _ask(subject, embedder, questions[start : start + BLOCK])
    figures = [figure for subject in subjects for figure in _figures(subject)]
    return figures + _growth(subjects[0], subjects[-1])


async def _ask(subject: Subject, embedder: Embedder, questions: Sequence[str]) -> None:
    for turn, question in enumerate(questions):
        ways = list((await _ways(subject, embedder, question)).items())
        # Whoever comes later finds the caches warm: so everybody does, in turn.
        for name, way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
            started = time.perf_counter()
            await way()
            subject.took.setdefault(name, []).append((time.perf_counter() - started) * 1000)


async def _ways(
    subject: Subject, embedder: Embedder, question: str
) -> dict[str, Callable[[], Awaitable[Any]]]:
    asked = prepared(question, await embedder.embed_query(question))

    async def bare() -> None:
        await subject.hand.search(prepared(question, await embedder.embed_query(question)))

    return {
        "search": lambda: subject.rag.search(question),
        "embedding": lambda: embedder.embed_query(question),
        "bare": bare,
        "understanding": lambda: subject.hand.understand(asked),
        "words": lambda: subject.hand.find(asked.terms, None),
        "statement": lambda: subject.hand.find(asked.terms, asked.vector),
        "meaning": lambda: subject.hand.find(NO_WORDS, asked.vector),
    }


def _figures(subject: Subject) -> list[Figure]:
    at = f"{subject.size:,} passages"
    searches = [
        Figure(
            f"search {name}, {at}",
            subject.at("search", share),
            "ms",
            Reference("embedding and SQL by hand", subject.at("bare", share)),
            OVERHEAD if share == 0.5 else None,
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]
    parts = [
        Figure(
            f"  {name} p50, {at}", subject.at(part, 0.5), "ms", note=f"p95 {subject.at(part, 0.95):.0f} ms"
        )
        for part, name in PARTS.items()
    ]
    return searches + parts


def _growth(small: Subject, large: Subject) -> list[Figure]:
    if small is large:
        return []
    smaller = Reference("the smaller store's", small.at("search", 0.95))
    name = f"search p95, {large.size:,} passages against {small.size:,}"
    target = GROWTH if large.size <= LARGE else None
    return [Figure(name, large.at("search", 0.95), "ms", smaller, target)]
