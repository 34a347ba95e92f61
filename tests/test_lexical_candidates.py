"""Words that are in so many passages that only some of these can be scored."""

import random
from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_rag import candidates, lexicon
from mcp_rag.lexicon import Asked
from mcp_rag.models import NewMessage
from mcp_rag.postgres.store import Store
from mcp_rag.rag import DEFAULT_TENANT, Rag

COMMON = ["tram", "ferry", "harbour", "ticket"]
RARE = [f"word{n}" for n in range(300)]
PASSAGES, BUDGET = 1_500, 200
EXACT = """
    SELECT -(weights <#> $1::text::sparsevec) AS score, passage_key FROM passage
    WHERE weights <#> $1::text::sparsevec < 0 ORDER BY weights <#> $1::text::sparsevec LIMIT 10
"""
LEG = """
    SELECT -(weights <#> $1::text::sparsevec) AS score FROM passage
    JOIN lexical_leg($1::text::sparsevec, $2, $3, null, null, null, null, 100, $4) USING (passage_key)
    ORDER BY 1 DESC
"""


@pytest.fixture
async def crowded(rag: Rag) -> AsyncIterator[Rag]:
    """Passages of which every third has one of a few words, here once and there often."""
    chance = random.Random(3)

    def text() -> str:
        common = [
            word for word in COMMON if chance.random() < 0.35 for _ in range(chance.choice([1, 1, 1, 2, 4]))
        ]
        return " ".join(common + chance.choices(RARE, k=chance.randrange(4, 60)))

    for conversation in range(3):
        await rag.ingest(f"c{conversation}", [NewMessage(text=text()) for _ in range(PASSAGES // 3)])
    yield rag


async def scores(
    store: Store, question: str, *, most: int = BUDGET
) -> tuple[candidates.Plan, list[float], list[float]]:
    """How the candidates are chosen, and the best scores among all passages and among those."""
    terms = lexicon.query_terms(question, tenant_id=DEFAULT_TENANT)
    async with store.database.transaction(DEFAULT_TENANT, readonly=True) as connection:
        rows = await connection.fetch("SELECT term, sum(passages)::bigint FROM term_statistic GROUP BY term")
        plan = candidates.plan(terms, {row[0]: row[1] for row in rows}, budget=BUDGET)
        pairs = ",".join(f"{word.term}:{word.weight}" for word in sorted(plan.words, key=lambda w: w.term))
        asked = f"{{{pairs}}}/{lexicon.TERM_SPACE}"
        exact = await connection.fetch(EXACT, asked)
        found = await connection.fetch(LEG, asked, plan.any_of, plan.all_of, most)
    return plan, [row["score"] for row in exact], [row["score"] for row in found]


@pytest.mark.parametrize(
    "question",
    [
        "tram",
        "ferry",
        "tram ferry",
        "ticket harbour",
        "tram ferry ticket",
        "tram ferry harbour ticket",
        "word7 tram",
    ],
)
async def test_common_words_find_the_passages_that_score_best_without_reading_all_of_them(
    crowded: Rag, store: Store, question: str
) -> None:
    plan, exact, found = await scores(store, question)
    assert sum(word.postings for word in plan.words) > BUDGET and plan.all_of
    assert found[:10] == pytest.approx(exact)
    assert len(found) <= BUDGET


async def test_no_more_passages_are_scored_than_there_is_room_for(crowded: Rag, store: Store) -> None:
    _, _, found = await scores(store, "tram ferry", most=7)
    assert 0 < len(found) <= 7


async def test_words_that_are_never_in_one_passage_are_found_apart(rag: Rag, store: Store) -> None:
    sides = ("tram " * (n % 3 + 1) if n % 2 else "ferry " * (n % 4 + 1) for n in range(1_000))
    await rag.ingest("c", [NewMessage(text=f"{side} {RARE[n % 300]}") for n, side in enumerate(sides)])
    _, exact, found = await scores(store, "tram ferry")
    assert found[:10] == pytest.approx(exact)


@given(
    found=st.lists(st.integers(0, 1_000), min_size=1, max_size=6),
    budget=st.integers(1, 2_000),
)
def test_a_plan_reads_rare_words_whole_and_combines_the_others(found: list[int], budget: int) -> None:
    counts = {lexicon.entry(term, 0): count for term, count in enumerate(found, start=1)}
    asked = {term: Asked(times=1, word=term) for term in range(1, len(found) + 1)}
    plan = candidates.plan(asked, {**counts, lexicon.EVERY_PASSAGE: 1_000}, budget=budget)
    assert sum(counts[term] for term in plan.any_of) <= budget
    assert len(plan.all_of) % candidates.WIDTH == 0
    covered = set(plan.any_of) | {entry for entry in plan.all_of if entry in counts}
    common = [term for term, count in counts.items() if count and term not in plan.any_of]
    assert covered >= set(plan.any_of)
    assert bool(common) == bool(plan.all_of)


def test_a_list_of_very_many_passages_is_read_only_while_there_are_few_candidates() -> None:
    def entries_read(strong: int) -> list[int]:
        counts = {lexicon.EVERY_PASSAGE: 1_000_000, 5: 80_000, lexicon.entry(5, 1): strong}
        return candidates.plan({5: Asked(1, 0)}, counts, budget=3_000).all_of

    assert 5 in entries_read(strong=500)
    assert set(entries_read(strong=1_000)) == {lexicon.entry(5, 1)}


def test_a_word_that_no_passage_has_weighs_most_and_selects_nothing() -> None:
    plan = candidates.plan({5: Asked(1, 0), 6: Asked(2, 1)}, {lexicon.EVERY_PASSAGE: 100, 6: 10}, budget=50)
    weights = {word.term: word.weight for word in plan.words}
    assert weights[5] > weights[6] / 2 > 0
    assert (plan.any_of, plan.all_of) == ([6], [])


@pytest.mark.parametrize("level", range(len(lexicon.LEVELS) + 1))
def test_entries_of_different_terms_and_levels_never_meet_and_fit_the_column(level: int) -> None:
    first, last = lexicon.entry(1, level), lexicon.entry(lexicon.TERM_SPACE, level)
    assert min(first, last) >= -(2**31) and max(first, last) < 2**31
    others = [other for other in range(len(lexicon.LEVELS) + 1) if other != level]
    ranges = [sorted((lexicon.entry(1, other), lexicon.entry(lexicon.TERM_SPACE, other))) for other in others]
    assert not any(low <= value <= high for low, high in ranges for value in (first, last))
    assert not {lexicon.EVERY_PASSAGE, lexicon.TOTAL_LENGTH} & {first, last}


async def test_equal_scores_are_cut_in_one_order(rag: Rag, store: Store, owner: asyncpg.Connection) -> None:
    await rag.ingest("c", [NewMessage(text="the same tram") for _ in range(300)])
    terms = lexicon.query_terms("tram", tenant_id=DEFAULT_TENANT)
    asked = "{" + ",".join(f"{term}:1" for term in terms) + f"}}/{lexicon.TERM_SPACE}"
    async with store.database.transaction(DEFAULT_TENANT, readonly=True) as connection:
        rows = await connection.fetch(
            "SELECT * FROM lexical_leg($1::text::sparsevec, $2, '{}', null, null, null, null, 100, 1000)",
            asked,
            list(terms),
        )
    keys = await owner.fetch("SELECT passage_key FROM passage ORDER BY passage_key LIMIT 100")
    assert sorted(row[0] for row in rows) == [row[0] for row in keys]
