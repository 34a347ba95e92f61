"""The leg by meaning, as a search runs it: its share of an exact scan, over everything and under filters.

And how much room a passage takes.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from bench.by_hand import NO_WORDS, ByHand, Vector
from bench.corpus import SHARES, tag
from bench.figures import Figure, Target, percentile
from bench.search import Subject
from bench.stores import Progress
from mcp_rag.models import EVERYTHING, Filters
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import EXACT_SCAN
from mcp_rag.rag import Rag

SHARE = Target(98, at_least=True)
EXHAUSTIVE = 10**9
"""More passages than any store here has."""
DEPTHS = (10, 100)
WARMING = 10
TABLES = ["conversation", "message", "passage", "segment", "speaker_name", "embedding", "term_statistic"]
_SELECTED = """
SELECT count(*) FROM passage JOIN conversation USING (tenant_id, conversation_key) WHERE tags @> $1::text[]
"""
_SIZES = """
SELECT sum(pg_table_size(name::regclass))::float8 AS tables,
    sum(pg_indexes_size(name::regclass))::float8 AS indexes,
    pg_relation_size($2::text::regclass)::float8 AS vectors
FROM unnest($1::text[]) AS name
"""


@dataclass(frozen=True)
class Selection:
    """What a filter leaves of a store."""

    filters: Filters
    passages: int
    name: str


async def measure(
    subject: Subject, embedder: Embedder, questions: Sequence[str], *, progress: Progress
) -> list[Figure]:
    vectors = [await embedder.embed_query(question) for question in questions]
    owner = await asyncpg.connect(subject.url)
    try:
        selections = await _selections(owner, subject)
        figures = []
        for selection in selections:
            progress(f"searching {selection.name}")
            figures.append(await _speed(subject.rag, questions, selection))
            progress(f"comparing with an exact scan: {selection.name}")
            figures += await _compare(subject.hand, vectors, selection)
        return [*figures, *await _room(owner, subject)]
    finally:
        await owner.close()


async def _selections(owner: "asyncpg.Connection[asyncpg.Record]", subject: Subject) -> list[Selection]:
    """Everything, and what the filters of `SHARES` leave, where that is anything."""
    found = [Selection(EVERYTHING, subject.size, f"all of {subject.size:,} passages")]
    for share in SHARES:
        passages = await owner.fetchval(_SELECTED, [tag(share)])
        name = f"{tag(share)} of {subject.size:,} passages"
        found.append(Selection(Filters(tags=(tag(share),)), passages, name))
    return [each for each in found if each.passages]


async def _speed(rag: Rag, questions: Sequence[str], selection: Selection) -> Figure:
    """After a few that warm the caches."""
    took = []
    for question in (*questions[:WARMING], *questions):
        started = time.perf_counter()
        await rag.search(question, filters=selection.filters)
        took.append((time.perf_counter() - started) * 1000)
    p50, p95 = (percentile(took[WARMING:], share) for share in (0.5, 0.95))
    return Figure(f"search p95, {selection.name}", p95, "ms", note=f"p50 {p50:.0f} ms")


async def _compare(hand: ByHand, vectors: Sequence[Vector], selection: Selection) -> list[Figure]:
    used = await hand.uses_the_index(vectors[0], selection.filters)
    note = f"{selection.passages:,} passages, {'by the vector index' if used else 'scanned'}"
    shares = [await _shares(hand, vector, selection.filters) for vector in vectors]
    return [
        Figure(
            f"  share of the nearest {depth}, {selection.name}",
            100 * statistics.mean(found),
            "%",
            target=SHARE,
            note=f"{note}; at worst {100 * min(found):.0f} %",
        )
        for depth, found in zip(DEPTHS, zip(*shares, strict=True), strict=True)
    ]


async def _shares(hand: ByHand, vector: Vector, filters: Filters) -> list[float]:
    """By depth, what a search finds of the nearest."""
    exact = await _nearest(hand, vector, filters, EXHAUSTIVE)
    found = set(await _nearest(hand, vector, filters, EXACT_SCAN))
    return [len(found.intersection(exact[:depth])) / len(exact[:depth]) for depth in DEPTHS]


async def _nearest(hand: ByHand, vector: Vector, filters: Filters, exact: int) -> list[int]:
    rows = await hand.find(NO_WORDS, vector, filters=filters, exact=exact)
    return [row["passage_key"] for row in sorted(rows, key=lambda row: -row["similarity"])]


async def _room(owner: "asyncpg.Connection[asyncpg.Record]", subject: Subject) -> list[Figure]:
    row = await owner.fetchrow(_SIZES, TABLES, f"embedding_{subject.rag.vectors.dimensions}")
    assert row is not None
    return [
        Figure(
            f"  {what} on disk for each of {subject.size:,} passages",
            row[name] / subject.size,
            "bytes",
            note=f"{row[name] / 1e9:.2f} GB",
        )
        for name, what in (("tables",) * 2, ("indexes",) * 2, ("vectors", "of these the vector index"))
    ]
