"""The vector index: whether it is used, and what it misses. And how much room a passage takes."""

import statistics
from collections.abc import Sequence

import asyncpg

from bench.by_hand import ByHand, Vector
from bench.figures import Figure
from bench.search import Subject
from mcp_rag.ports import Embedder

EVERYTHING = 10**9
"""More passages than any store here has."""
DEPTHS = (10, 100)
TABLES = ["conversation", "message", "passage", "embedding", "term_statistic"]
_SIZES = """
SELECT sum(pg_table_size(name::regclass))::float8 AS tables,
    sum(pg_indexes_size(name::regclass))::float8 AS indexes
FROM unnest($1::text[]) AS name
"""


async def measure(subject: Subject, embedder: Embedder, questions: Sequence[str]) -> list[Figure]:
    vectors = [await embedder.embed_query(question) for question in questions]
    used = await subject.hand.uses_the_index(vectors[0])
    return [
        Figure(
            f"  the vector index's share of the nearest {depth}, {subject.size:,} passages",
            100 * statistics.mean([await _recall(subject.hand, vector, depth) for vector in vectors]),
            "%",
            note="a store of this size uses it" if used else "a store of this size is scanned instead",
        )
        for depth in DEPTHS
    ] + await _room(subject)


async def _recall(hand: ByHand, vector: Vector, depth: int) -> float:
    exact = await _nearest(hand, vector, depth, exact=EVERYTHING)
    return len(exact & await _nearest(hand, vector, depth, exact=0)) / len(exact)


async def _nearest(hand: ByHand, vector: Vector, depth: int, *, exact: int) -> set[int]:
    rows = await hand.find({}, vector, exact=exact)
    best = sorted(rows, key=lambda row: (-row["similarity"], row["passage_key"]))
    return {row["passage_key"] for row in best[:depth]}


async def _room(subject: Subject) -> list[Figure]:
    owner = await asyncpg.connect(subject.url)
    try:
        row = await owner.fetchrow(_SIZES, TABLES)
    finally:
        await owner.close()
    assert row is not None
    return [
        Figure(f"  {name} on disk for each of {subject.size:,} passages", row[name] / subject.size, "bytes")
        for name in ("tables", "indexes")
    ]
