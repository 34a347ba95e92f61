"""Passages that the model cannot embed, and models that cannot embed anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import asyncpg
import pytest
from mcp.client import Client

from mcp_rag.embedding.openai import OpenAIEmbedder
from mcp_rag.errors import EmbeddingFailed, EmbeddingUnavailable
from mcp_rag.models import NewMessage, Status
from mcp_rag.postgres.aside import Tally
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests import inspection
from tests.conftest import eventually
from tests.embedding_service import MODEL, EmbeddingService
from tests.serving import serve as serve

A_WHILE_AGO = "UPDATE embedding_failure SET failed_at = failed_at - interval '1 hour'"
FAILURES = "SELECT tries, error FROM embedding_failure ORDER BY passage_key"
BAD, GOOD = NewMessage(text="Two leaves of hemlock."), NewMessage(text="And mint.")
Open = Callable[..., Rag]


@pytest.fixture
def service() -> EmbeddingService:
    service = EmbeddingService()
    service.poison = "hemlock"
    return service


@pytest.fixture
async def opened(store: Store, service: EmbeddingService, serve: Callable[..., str]) -> AsyncIterator[Open]:
    """Opens the service with a model that is elsewhere."""
    url, rags = f"{serve(service.app)}/v1", []

    def open_(key: str = "somebody") -> Rag:
        rags.append(Rag(store, OpenAIEmbedder(url, MODEL, api_key=key, backoff=0.001)))
        return rags[-1]

    yield open_
    for rag in rags:
        await rag.vectors.close()


@pytest.fixture
async def herbs(opened: Open) -> Rag:
    """With a passage that the model cannot embed, between others that it can."""
    rag = opened()
    await rag.vectors.ready()
    await rag.ingest("herbs", [GOOD, BAD, GOOD.model_copy(update={"text": "And sage."})])
    return rag


async def set_aside(rag: Rag, owner: asyncpg.Connection) -> None:
    for _ in range(3):
        await rag.vectors.drain()
        await owner.execute(A_WHILE_AGO)
    assert (await rag.status()).set_aside == 1


@pytest.mark.parametrize("refusal", [400, 413, 422, 500])
async def test_the_passage_that_fails_is_found_whatever_the_service_answers_over_it(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService, refusal: int
) -> None:
    service.refusal = refusal
    assert await herbs.vectors.drain() == 2
    assert [tuple(row) for row in await owner.fetch(FAILURES)] == [
        (1, f"The embedding service answered with status {refusal}.")
    ]


async def test_the_message_after_it_gets_the_vector_of_its_own_words(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    await herbs.vectors.drain()
    replies = await owner.fetch("SELECT reply IS NULL FROM embedding ORDER BY passage_key")
    assert [row[0] for row in replies] == [True, True]
    assert "Two leaves of hemlock.\nAnd sage." in service.asked


async def test_a_passage_is_tried_three_times_and_not_twice_in_a_row(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    tries = []
    for _ in range(5):
        await herbs.vectors.drain()
        before = service.asked[BAD.text]
        await herbs.vectors.drain()
        assert service.asked[BAD.text] == before
        await owner.execute(A_WHILE_AGO)
        tries.append(await owner.fetchval("SELECT tries FROM embedding_failure"))
    assert tries == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_service_that_is_down_or_refuses_everybody_is_no_fault_of_a_passage(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService, status: int
) -> None:
    service.refusal, service.poison = status, " "
    with pytest.raises(EmbeddingUnavailable):
        await herbs.vectors.drain()
    assert await owner.fetch(FAILURES) == []


async def test_a_model_that_fails_over_every_text_is_no_fault_of_a_passage(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    service.refusal, service.poison = 500, " "
    with pytest.raises(EmbeddingFailed, match="answered 500"):
        await herbs.vectors.drain()
    assert await owner.fetch(FAILURES) == []
    service.poison = ""
    assert await herbs.vectors.drain() == 3


async def test_what_was_set_aside_is_told_with_its_address_and_without_a_word_of_it(
    herbs: Rag, owner: asyncpg.Connection
) -> None:
    await set_aside(herbs, owner)

    async def current() -> Rag:
        return herbs

    async with Client(create_server(current)) as client:
        (content,) = (await client.read_resource("rag://status")).contents
    status = Status.model_validate_json(content.text)
    assert (status.pending, status.set_aside) == (0, 1)
    (failure,) = status.failures
    assert failure.uri == "conversation://herbs/messages/1"
    assert failure.error == "The embedding service answered with status 400."
    assert await inspection.places(owner, "cannot embed") == []
    assert (await herbs.search("hemlock leaves")).results[0].text == BAD.text


async def test_it_is_tried_again_when_its_text_changes(herbs: Rag, owner: asyncpg.Connection) -> None:
    await herbs.ingest("notes", [BAD.model_copy(update={"message_id": "1"})])
    for _ in range(3):
        await herbs.vectors.drain()
        await owner.execute(A_WHILE_AGO)
    assert (await herbs.status()).set_aside == 2
    await herbs.ingest("notes", [NewMessage(text="Two leaves of laurel.", message_id="1")])
    assert await herbs.vectors.drain() == 1
    assert (await herbs.status()).set_aside == 1


async def test_forgetting_takes_what_is_known_of_its_failure_along(
    herbs: Rag, owner: asyncpg.Connection
) -> None:
    await set_aside(herbs, owner)
    await herbs.forget(conversation_ids=["herbs"], position=1, dry_run=False)
    assert await owner.fetch(FAILURES) == []
    assert await herbs.vectors.drain() == 1


async def test_reembedding_tries_it_again_and_does_not_wait_for_what_fails_for_ever(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    await set_aside(herbs, owner)
    before = service.asked[BAD.text]
    await herbs.vectors.replace_model()
    assert service.asked[BAD.text] > before
    service.poison = ""
    await herbs.vectors.replace_model()
    assert await owner.fetch(FAILURES) == []
    assert (await herbs.status()).set_aside == 0
    assert await owner.fetchval("SELECT count(*) FROM embedding") == 3


async def test_the_backlog_says_how_much_waits_and_since_when(
    herbs: Rag, owner: asyncpg.Connection, tally: Tally
) -> None:
    await owner.execute("UPDATE passage SET waiting_since = '2026-03-14T09:00Z' WHERE start = 0")
    waiting = await tally.count()
    assert (waiting.waiting, waiting.set_aside) == (3, 0)
    assert waiting.oldest == datetime(2026, 3, 14, 9, tzinfo=UTC)
    await herbs.vectors.drain()
    failed = await tally.count()
    assert (failed.waiting, failed.set_aside) == (1, 0)
    await owner.execute(A_WHILE_AGO)
    await set_aside(herbs, owner)
    ended = await tally.count()
    assert (ended.waiting, ended.set_aside, ended.oldest) == (0, 1, None)


async def test_a_reply_that_is_embedded_while_the_message_before_it_changes_is_embedded_again(
    herbs: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    service.poison = ""
    await herbs.ingest("key", [NewMessage(text=text) for text in ("Where is the key?", "Under the mat.")])
    await herbs.vectors.drain()
    await owner.execute("DELETE FROM embedding WHERE passage_key = (SELECT max(passage_key) FROM passage)")
    service.passes = 0
    embedding = asyncio.create_task(herbs.vectors.drain())
    await eventually(lambda: asyncio.sleep(0, bool(service.held)))
    changing = asyncio.create_task(herbs.forget(conversation_ids=["key"], position=0, dry_run=False))
    await eventually(lambda: owner.fetchval(f"SELECT ({inspection.WAITING}) > 0"))
    service.passes = None
    await asyncio.gather(embedding, changing)
    assert await herbs.vectors.drain() == 1
    assert service.asked["Under the mat."] == 3
