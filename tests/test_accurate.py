"""Accurate search: a model reads the first hits together with the question. And why a hit ranked, as told."""

import pytest

from mcp_rag import reranking
from mcp_rag.errors import InvalidCursor
from mcp_rag.models import NewMessage, SearchResult
from mcp_rag.ports import Embedder, Reranker
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.chats import ids
from tests.conftest import Borrowed, Door

QUESTION = "How many people live in Berlin?"
ANSWER = "Berlin had a population of 3,520,031 registered inhabitants in 2015."
MISLEADING = "How people live in Berlin, many people ask: how many people, how many in Berlin?"
LONG_ENOUGH = 60.0


class FirstFew:
    """The real model, which never gets further than the first three texts."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self.name = reranker.name
        self.load, self.close = reranker.load, reranker.close

    async def scores(self, question: str, texts: list[str], *, budget: float) -> list[float | None]:
        read = await self._reranker.scores(question, texts[:3], budget=budget)
        return [*read, *(None for _ in texts[3:])]


def on(store: Store, embedder: Embedder, reranker: Reranker | None, budget: float = LONG_ENOUGH) -> Rag:
    return Rag(store, Borrowed(embedder), reranker=reranker, reranking_budget=budget)


@pytest.fixture
async def berlin(rag: Rag) -> Rag:
    """A store with an answer, what looks like one, and what does not; without a second stage."""
    others = [f"In {1960 + n} the people of Berlin built house number {n}." for n in range(24)]
    await rag.ingest("berlin", [NewMessage(text=text) for text in (MISLEADING, ANSWER, *others)])
    await rag.vectors.drain()
    return rag


@pytest.fixture
async def accurate(berlin: Rag, store: Store, embedder: Embedder, reranker: Reranker) -> Rag:
    """The same store with a second stage that has all the time it needs."""
    rag = on(store, embedder, reranker)
    await rag.vectors.ready()
    return rag


async def found_by(rag: Rag, limit: int = 50, cursor: str | None = None) -> SearchResult:
    return await rag.search(QUESTION, limit=limit, accurate=True, explain=True, cursor=cursor)


def logits(found: SearchResult) -> list[float | None]:
    return [(hit.why or {}).get("reranker") for hit in found.results]


async def test_what_answers_comes_before_what_only_has_the_words(accurate: Rag) -> None:
    plain = await accurate.search(QUESTION, limit=50, explain=True)
    assert plain.results[0].text == MISLEADING
    assert logits(plain) == [None] * plain.total
    found = await found_by(accurate)
    assert found.results[0].text == ANSWER
    assert sorted(ids(found)) == sorted(ids(plain))
    assert found.notice is None


async def test_the_first_twenty_are_read_as_the_model_scores_them_and_the_rest_follows(
    accurate: Rag, reranker: Reranker
) -> None:
    found, plain = await found_by(accurate), await accurate.search(QUESTION, limit=50)
    assert [score is None for score in logits(found)] == [False] * 20 + [True] * (found.total - 20)
    assert ids(found)[20:] == ids(plain)[20:]
    assert [hit.score for hit in found.results[:20]] == sorted(
        (hit.score for hit in found.results[:20]), reverse=True
    )
    first = found.results[0]
    (alone,) = await reranker.scores(QUESTION, [f"{first.title}: {first.text}"], budget=LONG_ENOUGH)
    assert logits(found)[0] == pytest.approx(alone, abs=1.5)
    assert logits(found)[0] == max(score for score in logits(found) if score is not None)


async def test_a_speaker_and_a_date_are_read_with_the_text(
    rag: Rag, store: Store, embedder: Embedder, reranker: Reranker
) -> None:
    said = [NewMessage(speaker=name, text="I painted a lake.") for name in ("Ben", "Anna", "Cid")]
    await rag.ingest("art", said)
    await rag.vectors.drain()
    accurate = on(store, embedder, reranker)
    found = await accurate.search("What was it that Anna painted?", accurate=True, explain=True)
    by_speaker = {hit.speaker: (hit.why or {})["reranker"] for hit in found.results}
    assert by_speaker["Anna"] > max(by_speaker["Ben"], by_speaker["Cid"]) + 1


async def test_without_time_the_order_is_that_of_a_plain_search(
    berlin: Rag, store: Store, embedder: Embedder, reranker: Reranker
) -> None:
    hurried = on(store, embedder, reranker, budget=0)
    await hurried.vectors.ready()
    found, plain = await found_by(hurried), await hurried.search(QUESTION, limit=50)
    assert logits(found) == [None] * found.total
    assert [(hit.id, hit.score) for hit in found.results] == [(hit.id, hit.score) for hit in plain.results]


async def test_what_was_read_when_time_ran_out_comes_first_and_nothing_is_lost(
    berlin: Rag, store: Store, embedder: Embedder, reranker: Reranker
) -> None:
    hurried = on(store, embedder, FirstFew(reranker))
    await hurried.vectors.ready()
    found, plain = await found_by(hurried), await hurried.search(QUESTION, limit=50)
    assert [score is None for score in logits(found)] == [False] * 3 + [True] * (found.total - 3)
    assert set(ids(found)[:3]) == set(ids(plain)[:3])
    assert ids(found)[3:] == ids(plain)[3:]


async def test_without_a_second_stage_it_says_so_and_searches_all_the_same(berlin: Rag, door: Door) -> None:
    plain = await door.result("search", query=QUESTION)
    found = await door.result("search", query=QUESTION, accurate=True)
    assert [hit["id"] for hit in found["results"]] == [hit["id"] for hit in plain["results"]]
    assert (plain.get("notice"), found["notice"]) == (
        None,
        "Not reranked: MCP_RAG_RERANKING_PROVIDER is none.",
    )
    told = (await door.call("search", query=QUESTION, accurate=True)).content[0].text
    assert "Not reranked: MCP_RAG_RERANKING_PROVIDER is none." in told.splitlines()


async def test_a_model_that_cannot_be_had_is_named_with_the_remedy_and_searches_all_the_same(
    berlin: Rag, store: Store, embedder: Embedder
) -> None:
    missing = on(store, embedder, reranking.create("onnx", "no-such-model"))
    await missing.vectors.ready()
    found = await found_by(missing)
    assert found.notice is not None
    assert found.notice.startswith("Not reranked: ")
    assert "no-such-model" in found.notice
    assert ids(found) == ids(await berlin.search(QUESTION, limit=50))


async def test_pages_of_an_accurate_search_are_its_own_and_together_the_whole(accurate: Rag) -> None:
    whole = await found_by(accurate)
    pages, cursor = list[str](), None
    while True:
        page = await found_by(accurate, limit=7, cursor=cursor)
        pages += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == ids(whole)
    plain = await accurate.search(QUESTION, limit=7)
    with pytest.raises(InvalidCursor):
        await found_by(accurate, limit=7, cursor=plain.next_cursor)


async def test_the_parts_of_every_score_add_up_to_it_in_one_measure(accurate: Rag) -> None:
    found = await accurate.search(QUESTION, limit=50, explain=True)
    ratios = [sum((hit.why or {}).values()) / hit.score for hit in found.results if hit.score > 0.05]
    assert len(ratios) > 5
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=0.01)
    assert all(hit.why is None for hit in (await accurate.search(QUESTION)).results)


async def test_the_tool_says_why_a_hit_ranked_only_when_asked(berlin: Rag, door: Door) -> None:
    told = (await door.call("search", query=QUESTION, explain=True)).content[0].text
    whys = [line for line in told.splitlines() if line.startswith("why: ")]
    structured = (await door.result("search", query=QUESTION, explain=True))["results"]
    assert len(whys) == len(structured)
    for line, hit in zip(whys, structured, strict=True):
        assert all(f"{name} {value:.2f}" in line for name, value in hit["why"].items())
    assert "why: " not in (await door.call("search", query=QUESTION)).content[0].text
