"""Calls that nobody waits for any more: the work stops, its statement in the database and its model too."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from mcp_rag.identity import DEFAULT_TENANT
from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests import inspection
from tests.answering.openai_server import KEY, MODEL, Hold, Service
from tests.cli.command import PATIENCE
from tests.conftest import Borrowed, eventually
from tests.http.running import caller, running
from tests.locks import withheld
from tests.resident.conftest import moved_in
from tests.serve_process import Serving, pipe
from tests.serving import serve as serve

ERAS = ("legacy", "2026-07-28")
READERS = "LOCK TABLE passage IN ACCESS EXCLUSIVE MODE"
WRITERS = "LOCK TABLE conversation IN SHARE MODE"
NOTE = {"conversation_id": "note", "content": "The gate is green."}
QUESTION = "Which colour has the gate?"
CALLS = [
    ("search", {"query": "gate"}, READERS),
    ("ingest", NOTE, WRITERS),
    ("ask", {"question": QUESTION}, READERS),
    ("forget", {"conversation_ids": ["fence"], "dry_run": False}, WRITERS),
]
each_call = pytest.mark.parametrize(("verb", "arguments", "held"), CALLS, ids=[call[0] for call in CALLS])


CONNECTIONS = 2
"""One for the call, and one to learn who calls it off."""


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[Database]:
    """Few connections, and nothing that ends by itself within a test."""
    database = Database(url=database_url, pool_size=CONNECTIONS, patience=10 * PATIENCE)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def rag(narrow: Database, embedder: Embedder) -> AsyncIterator[Rag]:
    rag = Rag(Store(narrow), Borrowed(embedder))
    await rag.vectors.ready()
    await rag.ingest("fence", [NewMessage(text="The fence is white.")])
    yield rag
    await rag.vectors.close()


@pytest.fixture
async def url(rag: Rag, narrow: Database) -> AsyncIterator[str]:
    """Where it is served to one call at a time."""
    async with running(rag, narrow, calls_at_once=1) as url:
        yield url


@pytest.fixture
def model() -> Service:
    """It begins an answer, and never ends it."""
    service = Service()
    service.says("It is", Hold())
    return service


@pytest.fixture
def connect(
    serve: Callable[..., str], model: Service, database_url: str, transport: str
) -> Iterator[Callable[[], Any]]:
    """How to reach a process of the product whose answers the model writes."""
    settings = {
        "MCP_RAG_DATABASE_URL": database_url,
        "MCP_RAG_OPENAI_URL": f"{serve(model.app)}/v1",
        "MCP_RAG_OPENAI_API_KEY": KEY,
        "MCP_RAG_OPENAI_MODEL": MODEL,
        # What goes on would keep the place of the next call.
        "MCP_RAG_CALLS_AT_ONCE": "1",
    }
    if transport == "stdio":
        with moved_in(**settings) as home:
            yield lambda: pipe(home)
    else:
        with Serving(**settings) as server:
            yield lambda: server.connect(transport)


async def call_off(
    client: Client, owner: asyncpg.Connection, verb: str, arguments: dict[str, Any], held: str
) -> None:
    """Call off a call that waits in the database, and see that nothing of it waits there any longer."""
    async with withheld(owner, held) as waiting:
        call = asyncio.create_task(client.call_tool(verb, arguments))
        await waiting(1)
        call.cancel()
        await waiting(0)


async def is_whole(client: Client, owner: asyncpg.Connection) -> None:
    """Nothing of a call that was called off is there, and the next has all that it needs."""
    found = await client.call_tool("search", {"query": "fence gate"})
    assert [hit["conversation_id"] for hit in found.structured_content["results"]] == ["fence"]
    assert await inspection.texts(owner, "note") == []
    stored = await client.call_tool("ingest", NOTE)
    assert stored.structured_content["added"] == 1


async def is_free(database: Database) -> None:
    """All connections can be had at once, and work."""
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            connection = await stack.enter_async_context(database.transaction(DEFAULT_TENANT))
            assert await connection.fetchval("SELECT count(*) FROM conversation") > 0


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", ["streamable", "sse"])
@each_call
async def test_a_call_over_http_that_is_called_off_stops_and_leaves_nothing_behind(
    url: str,
    narrow: Database,
    owner: asyncpg.Connection,
    transport: str,
    era: str,
    verb: str,
    arguments: dict[str, Any],
    held: str,
) -> None:
    way = sse_client(f"{url}/sse") if transport == "sse" else streamable_http_client(f"{url}/mcp")
    async with Client(way, mode=era, read_timeout_seconds=PATIENCE) as client:
        await call_off(client, owner, verb, arguments, held)
        await is_whole(client, owner)
    await is_free(narrow)


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_over_stdio_that_is_called_off_stops_and_leaves_nothing_behind(
    rag: Rag, database_url: str, owner: asyncpg.Connection, era: str
) -> None:
    settings = {
        "MCP_RAG_DATABASE_URL": database_url,
        "MCP_RAG_POOL_SIZE": "1",
        "MCP_RAG_DATABASE_SECONDS": str(10 * PATIENCE),
        "MCP_RAG_EMBED": "false",
    }
    with moved_in(**settings) as home:
        async with Client(pipe(home), mode=era, read_timeout_seconds=PATIENCE) as client:
            await client.call_tool("search", {"query": "fence"})
            for each in CALLS:
                await call_off(client, owner, *each)
            await is_whole(client, owner)


@pytest.mark.parametrize("transport", ["streamable", "sse", "stdio"])
async def test_a_question_that_is_called_off_stops_the_model_that_writes(
    rag: Rag, connect: Callable[[], Any], model: Service, transport: str
) -> None:
    for era in ERAS:
        model.requests.clear()
        model.left.clear()
        async with Client(connect(), mode=era, read_timeout_seconds=PATIENCE) as client:
            call = asyncio.create_task(client.call_tool("ask", {"question": "Is the fence white?"}))
            await eventually(lambda: asyncio.sleep(0, model.requests))
            assert not model.left.is_set()
            call.cancel()
            assert await asyncio.to_thread(model.left.wait, 10)
            found = await client.call_tool("search", {"query": "fence"})
            assert [hit["conversation_id"] for hit in found.structured_content["results"]] == ["fence"]


@pytest.mark.parametrize(("path", "body"), [("/search", {"query": "gate"}), ("/ask", {"question": QUESTION})])
async def test_what_is_asked_over_rest_stops_when_the_client_hangs_up(
    url: str, narrow: Database, owner: asyncpg.Connection, path: str, body: dict[str, Any]
) -> None:
    async with caller(url) as http, withheld(owner, READERS) as waiting:
        call = asyncio.create_task(http.post(path, json=body))
        await waiting(1)
        call.cancel()
        await waiting(0)
    async with caller(url) as http:
        found = await http.post("/search", json={"query": "fence"})
    assert [hit["conversation_id"] for hit in found.json()["results"]] == ["fence"]
    await is_free(narrow)


async def test_what_was_sent_whole_over_rest_is_stored_though_the_client_hangs_up(
    url: str, owner: asyncpg.Connection
) -> None:
    async with caller(url) as http, withheld(owner, WRITERS) as waiting:
        call = asyncio.create_task(http.post("/ingest", json=NOTE))
        await waiting(1)
        call.cancel()
        await asyncio.wait({call})
    async with caller(url) as http:
        again = (await http.post("/ingest", json=NOTE)).json()
    assert (again["added"], again["unchanged"]) == (0, 1)
