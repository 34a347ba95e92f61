"""That a kept answer is given only while it is still the right one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from mcp_rag import caching
from mcp_rag.identity import LOCAL
from mcp_rag.models import Answer, Citation, Delta, Filters, NewMessage, NoAnswer, Turn
from mcp_rag.ports import Cache, Embedder, Reranker
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.caching.redis_server import RedisServer
from tests.conftest import TEMPLATE, Borrowed, of_database

QUESTION = "Where hangs the spare key of the boathouse?"
KEY = NewMessage(text="The spare key of the boathouse hangs behind the barometer.", message_id="k")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["in this process", "in Redis"])
async def cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cache]:
    if request.param == "in this process":
        yield caching.create(None)
        return
    server = RedisServer(tmp_path_factory.mktemp("redis"), "tcp")
    server.start()
    cache = caching.create(server.url)
    yield cache
    await cache.close()
    server.kill()


def service(store: Store, embedder: Embedder, reranker: Reranker, cache: Cache, tenant_id: int = 1) -> Rag:
    return Rag(
        store,
        Borrowed(embedder),
        reranker=reranker,
        reranking_budget=60,
        cache=cache,
        caller=LOCAL.model_copy(update={"tenant_id": tenant_id}),
    )


@pytest.fixture
async def rag(store: Store, embedder: Embedder, reranker: Reranker, cache: Cache) -> AsyncIterator[Rag]:
    rag = service(store, embedder, reranker, cache)
    rag.vectors.start(work=False)
    await rag.vectors.ready()
    await rag.ingest("key", [KEY])
    await rag.ingest("other", [NewMessage(text="The boathouse was painted green in spring.")])
    await rag.vectors.drain()
    yield rag
    await rag.vectors.close()


async def asked(rag: Rag, question: str = QUESTION, **more: object) -> tuple[Answer | NoAnswer, bool]:
    reply = await rag.ask(question, now=NOW, **more)
    return reply, reply.account.cached


async def test_the_same_question_costs_nothing_the_second_time(rag: Rag) -> None:
    first, cached = await asked(rag)
    assert not cached
    again, cached = await asked(rag)
    assert cached
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert (again.text, again.citations, again.confidence) == (first.text, first.citations, first.confidence)
    assert list(again.account.milliseconds) == ["total"]


async def test_a_kept_answer_comes_in_the_same_events(rag: Rag) -> None:
    first = [event async for event in rag.answering(QUESTION, now=NOW)]
    again = [event async for event in rag.answering(QUESTION, now=NOW)]
    assert first[0] == again[0]
    for events in (first, again):
        assert "".join(event.text for event in events if isinstance(event, Delta)) == events[-1].reply.text
        assert [e for e in events if isinstance(e, Citation)] == list(events[-1].reply.citations)


@pytest.mark.parametrize("scope", [None, "key"])
async def test_a_new_message_in_scope_makes_it_ask_again(rag: Rag, scope: str | None) -> None:
    filters = Filters(conversation_id=scope)
    await asked(rag, filters=filters)
    await rag.ingest("key", [KEY, NewMessage(text="The spare key of the boathouse now hangs by the door.")])
    reply, cached = await asked(rag, filters=filters)
    assert not cached
    assert isinstance(reply, Answer)
    assert "by the door" in reply.text


async def test_a_vector_that_arrives_makes_it_ask_again(rag: Rag) -> None:
    await rag.ingest("third", [NewMessage(text="Lift the barometer, and you find what opens the boathouse.")])
    await asked(rag)
    await rag.vectors.drain()
    assert not (await asked(rag))[1]
    assert (await asked(rag))[1]


async def test_what_was_forgotten_is_not_answered_from_what_was_kept(rag: Rag) -> None:
    reply, _ = await asked(rag)
    assert "barometer" in reply.model_dump_json()
    await rag.forget(conversation_ids=["key"], dry_run=False)
    reply, cached = await asked(rag)
    assert not cached
    assert "barometer" not in reply.model_dump_json()


async def test_a_conversation_that_was_forgotten_and_told_anew_is_asked_again(rag: Rag) -> None:
    filters = Filters(conversation_id="key")
    await asked(rag, filters=filters)
    await rag.forget(conversation_ids=["key"], dry_run=False)
    changed = NewMessage(text="The spare key of the boathouse lies under the third stone.")
    await rag.ingest("key", [changed], restore=True)
    await rag.vectors.drain()
    reply, cached = await asked(rag, filters=filters)
    assert not cached
    assert "third stone" in reply.model_dump_json()


@pytest.mark.parametrize("change", [{"title": "Keys"}, {"source": "notes"}, {"tags": ["keys"]}])
async def test_another_title_source_or_tag_makes_it_ask_again(rag: Rag, change: dict[str, object]) -> None:
    await asked(rag)
    await rag.ingest("key", [KEY], **change)
    assert not (await asked(rag))[1]


async def test_sending_the_same_again_changes_nothing(rag: Rag) -> None:
    await asked(rag)
    await rag.ingest("key", [KEY])
    assert (await asked(rag))[1]


async def test_another_question_day_scope_or_talk_is_asked_by_itself(rag: Rag) -> None:
    await asked(rag)
    assert not (await asked(rag, f"{QUESTION} Please."))[1]
    assert not (await asked(rag, filters=Filters(conversation_id="key")))[1]
    assert not (await asked(rag, history=[Turn(role="user", text="Let us talk of keys.")]))[1]
    assert not (await rag.ask(QUESTION, now=NOW.replace(day=2))).account.cached


async def test_no_tenant_gets_what_was_kept_for_another(
    rag: Rag, store: Store, embedder: Embedder, reranker: Reranker, cache: Cache
) -> None:
    await asked(rag)
    second = service(store, embedder, reranker, cache, tenant_id=2)
    second.vectors.start(work=False)
    await second.vectors.ready()
    reply, cached = await asked(second)
    assert isinstance(reply, NoAnswer)
    assert not cached
    await second.vectors.close()


async def test_no_database_gets_what_was_kept_for_another(
    rag: Rag, postgres: str, embedder: Embedder, reranker: Reranker, cache: Cache
) -> None:
    await asked(rag)
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE elsewhere TEMPLATE {TEMPLATE} STRATEGY file_copy")
    other = of_database(postgres, "elsewhere")
    owner = await asyncpg.connect(other)
    await owner.execute("UPDATE tenant SET tombstone_key = 'another'")
    await owner.close()
    database = Database(url=other)
    await database.open()
    second = service(Store(database), embedder, reranker, cache)
    await second.vectors.ready()
    reply, cached = await asked(second)
    assert isinstance(reply, NoAnswer)
    assert not cached
    await second.vectors.close()
    await database.close()
    await connection.execute("DROP DATABASE elsewhere WITH (FORCE)")
    await connection.close()


async def test_what_is_forgotten_is_kept_in_no_answer_either(rag: Rag, cache: Cache) -> None:
    kept: list[str] = []
    put = cache.put

    async def noted(key: str, text: str) -> None:
        kept.append(key)
        await put(key, text)

    cache.put = noted  # to know the key, and nothing else
    await asked(rag)
    (key,) = kept
    assert "barometer" in (await cache.get(key) or "")
    await rag.forget(conversation_ids=["key"], dry_run=True)
    assert await cache.get(key)
    await rag.forget(conversation_ids=["key"], dry_run=False)
    assert await cache.get(key) is None


async def test_an_answer_by_words_alone_is_not_kept(
    store: Store, embedder: Embedder, reranker: Reranker, cache: Cache, rag: Rag
) -> None:
    loading = service(store, embedder, reranker, cache)
    assert not (await asked(loading))[1]
    assert not (await asked(loading))[1]
    assert not (await asked(rag))[1]


async def test_folding_changes_keeps_what_was_kept(rag: Rag) -> None:
    for n in range(5):
        await rag.ingest(f"note-{n}", [NewMessage(text=f"Note number {n}.")])
    await rag.vectors.drain()
    await asked(rag)
    await rag.vectors.drain()
    assert (await asked(rag))[1]
