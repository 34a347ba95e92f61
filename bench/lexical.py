"""Searches by the commonest words: how long they take, and what they find of what a full scan finds."""

import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import asyncpg
from pgvector.asyncpg import register_vector

from bench.by_hand import transaction
from bench.corpus import SEED
from bench.figures import Figure, Reference, Target, percentile
from bench.search import Subject
from bench.stores import Progress
from mcp_rag import lexicon
from mcp_rag.candidates import Plan
from mcp_rag.postgres.database import SESSION
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.store import LEG_DEPTH, POSTINGS
from mcp_rag.rag import DEFAULT_TENANT

COMMONEST = 30
"""Words that the questions are made of: of those that people ask about, the ones that most passages have."""
EACH = 40
"""Questions of one word, of two and of three."""
COMPARED = 10
"""Of each, how many are also asked of every passage."""
BEST = 10
SPEED, SPEED_OF_LARGE, GROWTH, SHARE = Target(15), Target(60), Target(4), Target(99, at_least=True)
LARGE = 100_000
"""Passages beyond which a store is judged as one of a million."""

_COMMON = """
SELECT term FROM term_statistic
WHERE tenant_id = $1 AND term = ANY ($2::integer[])
GROUP BY term ORDER BY sum(passages) DESC, term LIMIT $3
"""
_LEG = """
SELECT -(weights <#> $1::text::sparsevec) AS score
FROM lexical_leg($1::text::sparsevec, $2, $3, null, null, null, null, $4, $5) JOIN passage USING (passage_key)
WHERE tenant_id = $6 ORDER BY 1 DESC LIMIT $7
"""
_SCAN = """
SELECT -(weights <#> $1::text::sparsevec) AS score FROM passage
WHERE tenant_id = $2 AND weights <#> $1::text::sparsevec < 0 ORDER BY 1 DESC LIMIT $3
"""


@dataclass
class Found:
    """Of one store: milliseconds by questions of so many words, and shares of the best that were found."""

    took: dict[int, list[float]] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        return percentile([value for each in self.took.values() for value in each], share)


async def measure(
    subjects: Sequence[Subject], questions: Sequence[str], *, progress: Progress
) -> list[Figure]:
    """Ask every store for its commonest words; sizes in ascending order."""
    found = {}
    for subject in subjects:
        progress(f"searching {subject.size:,} passages for common words")
        found[subject.size] = await _ask(subject.url, questions)
    return [figure for size, each in found.items() for figure in _figures(size, each)] + _growth(found)


async def _ask(url: str, questions: Sequence[str]) -> Found:
    connection = await asyncpg.connect(url, server_settings=SESSION)
    try:
        await register_vector(connection)
        async with connection.transaction(readonly=True):
            await connection.execute(sql("set_tenant"), DEFAULT_TENANT)
            common = await _common_words(connection, questions)
            return await _measured(connection, _made_of(common))
    finally:
        await connection.close()


async def _common_words(
    connection: "asyncpg.Connection[asyncpg.Record]", questions: Sequence[str]
) -> list[str]:
    """The words of questions that the most passages have, function words aside."""
    telling: dict[int, str] = {}
    for question in questions:
        asked = lexicon.query_terms(question, tenant_id=DEFAULT_TENANT).keys()
        for word in set(re.findall(r"\w+", question)):
            telling |= dict.fromkeys(asked & lexicon.query_terms(word, tenant_id=DEFAULT_TENANT).keys(), word)
    rows = await connection.fetch(_COMMON, DEFAULT_TENANT, list(telling), COMMONEST)
    return [telling[row["term"]] for row in rows]


def _made_of(words: Sequence[str]) -> dict[int, list[str]]:
    """Questions, by how many words they have."""
    chance = random.Random(SEED)
    return {size: [" ".join(chance.sample(words, size)) for _ in range(EACH)] for size in (1, 2, 3)}


async def _measured(
    connection: "asyncpg.Connection[asyncpg.Record]", questions: Mapping[int, Sequence[str]]
) -> Found:
    """After a round that warms the caches."""
    found = Found()
    tx = transaction(connection)
    for warm in (False, True):
        for words, asked in questions.items():
            for place, question in enumerate(asked):
                started = time.perf_counter()
                plan = await tx.plan(lexicon.query_terms(question, tenant_id=DEFAULT_TENANT))
                scores = await _leg(connection, plan)
                took = (time.perf_counter() - started) * 1000
                if warm:
                    found.took.setdefault(words, []).append(took)
                elif place < COMPARED:
                    found.shares.append(_share(scores, await _scan(connection, plan)))
    return found


async def _leg(connection: "asyncpg.Connection[asyncpg.Record]", plan: Plan) -> list[float]:
    rows = await connection.fetch(
        _LEG, _vector(plan), plan.any_of, plan.all_of, LEG_DEPTH, POSTINGS, DEFAULT_TENANT, BEST
    )
    return [row["score"] for row in rows]


async def _scan(connection: "asyncpg.Connection[asyncpg.Record]", plan: Plan) -> list[float]:
    return [row["score"] for row in await connection.fetch(_SCAN, _vector(plan), DEFAULT_TENANT, BEST)]


def _vector(plan: Plan) -> str:
    pairs = sorted((word.term, word.weight) for word in plan.words)
    return "{" + ",".join(f"{term}:{weight}" for term, weight in pairs) + f"}}/{lexicon.TERM_SPACE}"


def _share(found: Sequence[float], best: Sequence[float]) -> float:
    """Passages that score like the best are as good as they."""
    return sum(score >= best[-1] - 1e-6 for score in found) / len(best) if best else 1.0


def _figures(size: int, found: Found) -> list[Figure]:
    at = f"common words, {size:,} passages"
    p50, note = found.at(0.5), ", ".join(_by_words(words, took) for words, took in found.took.items())
    return [
        Figure(
            f"lexical leg p95, {at}",
            found.at(0.95),
            "ms",
            target=SPEED if size <= LARGE else SPEED_OF_LARGE,
            note=f"p50 {p50:.1f} ms; p95 of {note}",
        ),
        Figure(f"  its share of the best {BEST}, {at}", 100 * fmean(found.shares), "%", target=SHARE),
    ]


def _by_words(words: int, took: Sequence[float]) -> str:
    return f"{words}: {percentile(took, 0.95):.1f} ms"


def _growth(found: Mapping[int, Found]) -> list[Figure]:
    """For ten times as many passages."""
    return [
        Figure(
            f"lexical leg p95, {size:,} passages against {size // 10:,}",
            each.at(0.95),
            "ms",
            Reference("the smaller store's", found[size // 10].at(0.95)),
            GROWTH,
        )
        for size, each in found.items()
        if size // 10 in found
    ]
