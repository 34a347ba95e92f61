"""Answers that a model writes: what comes of them once they are held against the store."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from mcp.client import Client

from mcp_rag import caching
from mcp_rag.answering.guarded import Guarded
from mcp_rag.answering.openai import OpenAIAnswerer
from mcp_rag.briefs import LIMITS, Limits
from mcp_rag.errors import TokensSpent
from mcp_rag.identity import LOCAL
from mcp_rag.models import Answer, Citation, Delta, Done, Filters, NewMessage, NoAnswer, Sources, Turn
from mcp_rag.ports import Embedder, Reranker
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests.answering.openai_server import KEY, MODEL, Asked, Cut, Hold, Reply, Service, refusal
from tests.conftest import Borrowed, eventually

RENT = "What rent did we agree on for Hafenstraße 12?"
AGREED = "1,720 cold per month"
LEASE = NewMessage(text=f"The rent that we agreed on for Hafenstraße 12 is {AGREED}.")

Open = Callable[..., Rag]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def opened(
    serve: Callable[..., str], service: Service, embedder: Embedder, reranker: Reranker
) -> AsyncIterator[Open]:
    """Opens the service on a store, its answers written by the model behind `service`."""
    url, made = f"{serve(service.app)}/v1", []

    def opened(store: Store, *, limits: Limits = LIMITS, **more: Any) -> Rag:
        answerer = Guarded(OpenAIAnswerer(MODEL, api_key=KEY, url=url, timeout=20))
        rag = Rag(store, Borrowed(embedder), answerer=answerer, reranker=reranker, limits=limits, **more)
        rag.vectors.start(work=False)
        made.append((rag, answerer))
        return rag

    yield opened
    for rag, answerer in made:
        await rag.vectors.close()
        await answerer.close()


@pytest.fixture
async def library(library_url: str) -> AsyncIterator[Store]:
    database = Database(url=library_url)
    await database.open()
    yield Store(database)
    await database.close()


@pytest.fixture
async def rag(library: Store, opened: Open) -> Rag:
    """The service on the library."""
    rag = opened(library)
    await rag.vectors.ready()
    return rag


def source_with(asked: Asked, words: str) -> int:
    """The number of the source that has the words, in what the model was given."""
    sources = re.split(r"^Source (\d+)$", asked.said_by("user"), flags=re.MULTILINE)
    return next(int(n) for n, text in zip(sources[1::2], sources[2::2], strict=True) if words in text)


def truthful(asked: Asked) -> Reply:
    return Reply([f'The rent is 1,720 a month. [{source_with(asked, AGREED)}: "{AGREED}"]'])


async def test_a_sentence_that_stands_on_a_quote_is_the_answer_with_its_source(
    rag: Rag, service: Service
) -> None:
    service.writes = truthful
    reply = await rag.ask(RENT)
    assert isinstance(reply, Answer)
    assert reply.text == "The rent is 1,720 a month. [1]"
    (citation,) = reply.citations
    assert (citation.title, citation.verified) == ("Lease for Hafenstraße 12", True)
    assert AGREED in citation.quote


async def test_the_account_names_the_model_its_tokens_and_the_time_of_each_stage(
    rag: Rag, service: Service
) -> None:
    service.writes = truthful
    account = (await rag.ask(RENT)).account
    assert (account.provider, account.model) == ("openai", MODEL)
    assert (account.tokens_in, account.tokens_out) == (300, 40)
    assert set(account.milliseconds) == {"retrieval", "reranking", "writing", "verifying", "total"}
    assert account.notice is None


async def test_a_sentence_whose_quote_is_not_in_the_store_is_left_out_and_that_is_said(
    rag: Rag, service: Service
) -> None:
    service.writes = lambda asked: Reply(
        [
            *truthful(asked).pieces,
            ' The deposit is 9,999. [1: "a deposit of 9,999 was agreed"] It is nice there.',
        ]
    )
    reply = await rag.ask(RENT)
    assert isinstance(reply, Answer)
    assert reply.text == "The rent is 1,720 a month. [1]"
    assert "9,999" not in reply.model_dump_json()
    assert reply.account.notice is not None
    assert reply.account.notice.startswith("2 sentences left out")


async def test_an_answer_without_one_true_quote_is_withdrawn(rag: Rag, service: Service) -> None:
    service.says('The rent is 1 euro. [1: "the rent is one euro"]')
    reply = await rag.ask(RENT)
    assert isinstance(reply, NoAnswer)
    assert "withdrawn" in reply.reason
    assert reply.nearest
    assert "1 euro" not in reply.model_dump_json()


async def test_where_the_model_finds_no_support_there_is_no_answer_but_the_nearest_misses(
    rag: Rag, service: Service
) -> None:
    service.says("NO ANSWER")
    reply = await rag.ask(RENT)
    assert isinstance(reply, NoAnswer)
    assert reply.reason == "What was found does not answer this."
    assert len(reply.nearest) == 3


async def test_a_question_on_what_the_store_does_not_hold_reaches_no_model(
    rag: Rag, service: Service
) -> None:
    reply = await rag.ask("How does photosynthesis work in algae?")
    assert isinstance(reply, NoAnswer)
    assert not service.requests


async def test_a_model_gets_one_more_search_and_no_second(rag: Rag, service: Service) -> None:
    def searching(asked: Asked) -> Reply:
        if len(service.requests) == 1:
            return Reply(["SEARCH: Where did we stay in Porto?"])
        n = source_with(asked, "Pensão Aurora")
        return Reply([f'You stayed at Pensão Aurora. [{n}: "Pensão Aurora"]'])

    service.writes = searching
    reply = await rag.ask(RENT)
    assert isinstance(reply, Answer)
    assert reply.text == "You stayed at Pensão Aurora. [1]"
    assert reply.account.tokens_in == 600
    assert "SEARCH:" in service.requests[0].said_by("system")
    assert "SEARCH:" not in service.requests[1].said_by("system")
    assert AGREED in service.requests[1].said_by("user")

    service.says("SEARCH: Where did we stay in Porto?")
    assert isinstance(await rag.ask(RENT), NoAnswer)
    assert len(service.requests) == 4


async def test_one_more_search_stays_within_the_filters_of_the_question(rag: Rag, service: Service) -> None:
    service.says("SEARCH: Where did we stay in Porto?")
    within = Filters(conversation_id=(await rag.search(RENT, limit=1)).results[0].conversation_id)
    await rag.ask(RENT, filters=within)
    assert len(service.requests) == 2
    assert "Pensão Aurora" not in service.requests[1].said_by("user")


@pytest.mark.parametrize("failure", [500, 401, 404])
async def test_where_the_model_is_down_what_was_said_is_quoted_without_it(
    rag: Rag, service: Service, failure: int
) -> None:
    service.refusals = [refusal(failure, "No.", x_should_retry="false")] * 3
    reply = await rag.ask(RENT)
    assert isinstance(reply, Answer)
    assert AGREED in reply.text
    assert reply.account.provider == "extractive"
    assert reply.account.notice is not None
    assert reply.account.notice.startswith(
        "Quoted without a model: The answering service at http://127.0.0.1"
    )
    assert KEY not in reply.model_dump_json()


async def test_where_the_model_is_late_what_was_said_is_quoted_without_it(
    library: Store, opened: Open, service: Service
) -> None:
    rag = opened(library, limits=replace(LIMITS, seconds=2))
    await rag.vectors.ready()
    service.silent = True
    reply = await rag.ask(RENT)
    assert isinstance(reply, Answer)
    assert reply.account.provider == "extractive"
    assert "MCP_RAG_ANSWERING_SECONDS" in (reply.account.notice or "")
    assert await asyncio.to_thread(service.left.wait, 10)


async def test_what_a_model_had_said_before_it_broke_off_stays(rag: Rag, service: Service) -> None:
    service.writes = lambda asked: Reply([*truthful(asked).pieces, " And the deposit is th", Cut()])
    reply = await rag.ask(RENT)
    assert isinstance(reply, Answer)
    assert reply.text == "The rent is 1,720 a month. [1]"
    assert reply.account.provider == "openai"
    assert (reply.account.notice or "").startswith("It breaks off here: ")


async def test_sentences_come_as_they_are_verified_and_nothing_before(rag: Rag, service: Service) -> None:
    service.writes = lambda asked: Reply(
        [
            'A lie. [1: "no such words"] ',
            *truthful(asked).pieces,
            f' Again. [{source_with(asked, AGREED)}: "{AGREED}"]',
        ]
    )
    events = [event async for event in rag.answering(RENT)]
    assert [type(event) for event in events] == [Sources, Delta, Citation, Delta, Done]
    assert (
        "".join(e.text for e in events if isinstance(e, Delta)) == "The rent is 1,720 a month. [1] Again. [1]"
    )
    assert any(AGREED in hit.text for hit in events[0].hits)


async def test_who_goes_away_stops_the_model(rag: Rag, service: Service) -> None:
    service.writes = lambda asked: Reply(
        [*truthful(asked).pieces, " And there is more to come of this", Hold()]
    )
    events = rag.answering(RENT)
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()
    assert await asyncio.to_thread(service.left.wait, 10)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_call_over_mcp_that_is_cancelled_stops_the_model(
    rag: Rag, service: Service, era: str
) -> None:
    service.writes = lambda asked: Reply(
        [*truthful(asked).pieces, " And there is more to come of this", Hold()]
    )

    async def current() -> Rag:
        return rag

    async def asked() -> bool:
        return bool(service.requests)

    async with Client(create_server(current), mode=era) as client:
        call = asyncio.create_task(client.call_tool("ask", {"question": RENT}))
        await eventually(asked)
        call.cancel()
        assert await asyncio.to_thread(service.left.wait, 10)


async def test_a_model_reads_no_more_tokens_and_passages_than_it_may(
    library: Store, opened: Open, service: Service
) -> None:
    few = opened(library, limits=replace(LIMITS, passages=2))
    little = opened(library, limits=replace(LIMITS, tokens=500))
    for rag in (few, little):
        await rag.vectors.ready()
        await rag.ask(RENT)
    numbers = [
        len(re.findall(r"^Source \d+$", asked.said_by("user"), re.MULTILINE)) for asked in service.requests
    ]
    assert numbers[0] == 2
    assert 1 <= numbers[1] < LIMITS.passages


async def test_earlier_turns_take_room_from_the_passages(
    library: Store, opened: Open, service: Service
) -> None:
    rag = opened(library, limits=replace(LIMITS, tokens=1500))
    await rag.vectors.ready()
    await rag.ask(RENT)
    await rag.ask(RENT, history=[Turn(role="user", text="Hafenstraße, the harbour. " * 70)])
    alone, after = (
        len(re.findall(r"^Source \d+$", asked.said_by("user"), re.MULTILINE)) for asked in service.requests
    )
    assert 1 <= after < alone


async def test_the_days_that_a_question_means_are_given_with_it(rag: Rag, service: Service) -> None:
    now = datetime(2026, 5, 20, 12, tzinfo=UTC)
    await rag.ask(f"{RENT[:-1]} last month?", now=now)
    told = service.requests[0].said_by("user")
    assert "(last month: from 2026-04-01 and before 2026-05-01)" in told
    assert "2026-05-20" in service.requests[0].said_by("system")


async def test_a_question_that_leans_on_earlier_turns_is_given_with_them(rag: Rag, service: Service) -> None:
    history = [
        Turn(role="user", text="Tell me of the lease for Hafenstraße 12."),
        Turn(role="assistant", text="Gladly."),
    ]
    service.writes = truthful
    reply = await rag.ask("What rent did we agree on there?", history=history)
    assert isinstance(reply, Answer)
    assert "Tell me of the lease" in service.requests[0].said_by("user")


async def test_a_kept_answer_asks_no_model(library: Store, opened: Open, service: Service) -> None:
    rag = opened(library, cache=caching.create(None), reranking_budget=60)
    await rag.vectors.ready()
    service.writes = truthful
    first, again = await rag.ask(RENT), await rag.ask(RENT)
    assert len(service.requests) == 1
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert again.text == first.text
    assert (again.account.cached, again.account.tokens_in, again.account.model) == (True, 0, MODEL)


async def test_an_answer_that_was_withdrawn_is_not_kept(
    library: Store, opened: Open, service: Service
) -> None:
    rag = opened(library, cache=caching.create(None), reranking_budget=60)
    await rag.vectors.ready()
    service.says('The rent is 1 euro. [1: "the rent is one euro"]')
    assert not (await rag.ask(RENT)).answered
    service.writes = truthful
    assert (await rag.ask(RENT)).answered


async def test_secrets_do_not_reach_the_model_and_are_cited_as_they_are_stored(
    store: Store, opened: Open, service: Service
) -> None:
    rag = opened(store, redact=True)
    await rag.vectors.ready()
    secret = "AKIA" + "IOSFODNN7REALKEY"
    await rag.ingest("keys", [NewMessage(text=f"The key of the backup bucket is {secret}, in Frankfurt.")])
    await rag.vectors.drain()

    def quoting(asked: Asked) -> Reply:
        line = next(line for line in asked.said_by("user").splitlines() if line.startswith("The key of"))
        return Reply([f'There is a key for it. [1: "{line}"]'])

    service.writes = quoting
    reply = await rag.ask(f"What is the key of the backup bucket in Frankfurt, is it {secret}?")
    assert secret not in service.requests[0].model_dump_json()
    assert isinstance(reply, Answer)
    assert secret in reply.citations[0].quote


async def test_when_the_tokens_of_the_day_are_spent_that_is_said(
    store: Store, opened: Open, service: Service, owner: asyncpg.Connection
) -> None:
    await owner.execute("INSERT INTO tenant (tenant_id, name, tombstone_key) VALUES (2, 'second', 'key')")
    rag = opened(store, limits=replace(LIMITS, tokens_a_day=300))
    other = rag.of(LOCAL.model_copy(update={"tenant_id": 2}))
    for each in (rag, other):
        await each.vectors.ready()
        await each.ingest("lease", [LEASE])
        await each.vectors.drain()
    service.writes = truthful
    assert (await rag.ask(RENT)).answered
    with pytest.raises(TokensSpent, match="340 tokens today, of 300"):
        await rag.ask(RENT)
    assert (await other.ask(RENT)).answered


async def test_tokens_are_counted_even_for_who_goes_away(
    store: Store, opened: Open, service: Service
) -> None:
    rag = opened(store, limits=replace(LIMITS, tokens_a_day=300))
    await rag.vectors.ready()
    await rag.ingest("lease", [LEASE])
    await rag.vectors.drain()
    service.writes = lambda asked: Reply(
        [*truthful(asked).pieces, " And there is more to come of this", Hold()], usage_always=True
    )
    events = rag.answering(RENT)
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()
    with pytest.raises(TokensSpent):
        await rag.ask(RENT)
