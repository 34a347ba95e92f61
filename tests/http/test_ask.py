"""`POST /ask` over real HTTP: one document, or events as they come."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from mcp_rag.answering.openai import OpenAIAnswerer
from mcp_rag.models import Answer
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.answering.openai_server import KEY, MODEL, Asked, Hold, Reply, Service
from tests.conftest import Borrowed
from tests.http.running import caller, running
from tests.serving import serve as serve

RENT = {"question": "What rent did we agree on for Hafenstraße 12?"}
QUOTE = '[1: "1,720 cold per month"]'
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
async def client(reader: Rag, library_database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(reader, library_database) as url, caller(url) as client:
        yield client


@pytest.fixture
async def library_database(library_url: str) -> AsyncIterator[Database]:
    database = Database(url=library_url)
    await database.open()
    yield database
    await database.close()


async def events(response: httpx2.Response) -> list[tuple[str, Any]]:
    """The events of a stream, by name and data."""
    found, name = [], ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found


async def test_a_question_is_answered_with_one_document(client: httpx2.AsyncClient) -> None:
    response = await client.post("/ask", json=RENT)
    assert response.status_code == 200
    answer = Answer.model_validate(response.json())
    assert "1,720 cold per month" in answer.text


async def test_an_answer_comes_as_events_sources_first_and_the_whole_last(client: httpx2.AsyncClient) -> None:
    async with client.stream("POST", "/ask", json=RENT, headers=EVENTS) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        came = await events(response)
    names = [name for name, _ in came]
    assert (names[0], names[-1]) == ("sources", "done")
    assert set(names[1:-1]) == {"delta", "citation"}
    reply = came[-1][1]["reply"]
    assert "".join(data["text"] for name, data in came if name == "delta") == reply["text"]
    assert [data for name, data in came if name == "citation"] == reply["citations"]


async def test_filters_and_earlier_turns_are_heard(client: httpx2.AsyncClient) -> None:
    none = await client.post("/ask", json={**RENT, "speaker": "nobody"})
    assert none.json()["answered"] is False
    history = [{"role": "user", "text": "How much did the repair of the deck oven cost?"}]
    asked = {"question": "How long is the warranty on that?", "history": history}
    titles = {c["title"] for c in (await client.post("/ask", json=asked)).json()["citations"]}
    assert "Oven error E14 on the deck oven" in titles


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{}", "question: Field required."),
        ('{"question": "a", "speeker": "b"}', "speeker: Extra inputs are not permitted."),
        ("nonsense", "JSON decode error"),
        ('{"question": "  "}', "empty"),
        ('{"question": "a", "history": [{"role": "system", "text": "b"}]}', "history.0.role"),
    ],
)
async def test_a_body_that_cannot_be_used_is_a_problem_that_says_why(
    client: httpx2.AsyncClient, body: str, why: str
) -> None:
    response = await client.post("/ask", content=body, headers={"Content-Type": "application/json"})
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    assert problem["type"] == "urn:mcp-rag:InvalidInput"
    assert why in problem["detail"]
    assert problem["remedy"]


async def test_a_page_elsewhere_can_send_nothing(client: httpx2.AsyncClient) -> None:
    simple = await client.post("/ask", content=json.dumps(RENT), headers={"Content-Type": "text/plain"})
    assert simple.status_code == 400
    rebound = await client.post("/ask", json=RENT, headers={"Host": "evil.example"})
    assert rebound.status_code == 421
    assert "answered" not in rebound.text


async def test_a_database_that_is_down_is_a_problem_and_no_missing_answer() -> None:
    async with running(None, None) as url, caller(url) as client:
        response = await client.post("/ask", json=RENT, headers=EVENTS)
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert response.json()["type"] == "urn:mcp-rag:StoreUnavailable"


async def test_a_client_that_goes_away_stops_the_model(
    serve: Callable[..., str], library_url: str, embedder: Embedder
) -> None:
    model = Service()

    def writes(asked: Asked) -> Reply:
        return Reply([f"The rent is 1,720. {QUOTE} And there is more to come of this", Hold()])

    model.writes = writes
    writer = OpenAIAnswerer(MODEL, api_key=KEY, url=f"{serve(model.app)}/v1", timeout=60)
    database = Database(url=library_url)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder), answerer=writer)
    await rag.vectors.ready()
    async with running(rag, database) as url, caller(url) as client:
        with suppress(StopAsyncIteration):
            async with client.stream("POST", "/ask", json=RENT, headers=EVENTS) as response:
                lines = response.aiter_lines()
                while "event: delta" not in await anext(lines):
                    pass
        assert await asyncio.to_thread(model.left.wait, 30)
    await writer.close()
    await rag.vectors.close()
    await database.close()
