"""What Prometheus reads: what was done, how long it took, what waits; and never for whom, or what it was."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import asyncpg
import httpx2
import pytest
from mcp.client import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from mcp_rag.answering.openai import OpenAIAnswerer
from mcp_rag.caching.memory import InProcess
from mcp_rag.cli import ports
from mcp_rag.http.leaving import Leave
from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings
from mcp_rag.sidecar import Sidecar
from tests.answering.openai_server import KEY, MODEL, Asked, Reply, Service
from tests.conftest import Borrowed
from tests.http.running import Ready, caller, running, token
from tests.serving import serve as serve

ROUTE = "/conversations/{id}"


class Reading:
    """All series of one scrape; what is not there is 0."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def since(self, before: "Reading", name: str, **labels: str) -> float:
        return self.of(name, **labels) - before.of(name, **labels)


Read = Callable[[], Reading]


@contextmanager
def scraped(rag: Rag, database: Database) -> Iterator[str]:
    """Where the metrics of a service are."""
    port = ports.free("127.0.0.1", 0)
    with Sidecar(Ready(rag, database), Settings(health_port=port), Leave()):
        yield f"http://127.0.0.1:{port}/metrics"


def reading(rag: Rag, database: Database) -> Reading:
    """Scraped by a process that has counted nothing yet."""
    with scraped(rag, database) as url:
        return Reading(httpx2.get(url, timeout=60).text)


@pytest.fixture
async def client(rag: Rag, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(rag, database) as url, caller(url) as client:
        yield client


@pytest.fixture
def read(rag: Rag, database: Database) -> Read:
    return lambda: reading(rag, database)


async def test_requests_are_counted_and_timed_by_the_template_of_their_route(
    client: httpx2.AsyncClient, read: Read
) -> None:
    before = read()
    for name in ("walrus", "a%2Fb"):
        assert (await client.get(f"/conversations/{name}")).status_code == 404
    assert (await client.post("/search", json={"query": "walrus"})).status_code == 200
    after = read()
    assert after.since(before, "http_requests_total", method="GET", route=ROUTE, status="404") == 2
    assert after.since(before, "http_requests_total", method="POST", route="/search", status="200") == 1
    assert after.since(before, "http_request_duration_seconds_count", method="GET", route=ROUTE) == 2
    assert after.since(before, "http_request_duration_seconds_sum", method="POST", route="/search") > 0


async def test_requests_of_mcp_and_of_probes_have_their_routes_too(
    client: httpx2.AsyncClient, read: Read
) -> None:
    before = read()
    async with Client(f"{client.base_url}/mcp", mode="legacy") as mcp:
        await mcp.list_tools()
    assert (await client.post("/messages/?session_id=0")).status_code == 400
    assert (await client.get("/health")).status_code == 200
    after = read()
    assert after.since(before, "http_requests_total", method="POST", route="/mcp", status="200") == 2
    assert after.since(before, "http_requests_total", method="POST", route="/messages", status="400") == 1
    assert after.since(before, "http_requests_total", method="GET", route="/health", status="200") == 1


async def test_what_a_caller_makes_up_becomes_no_label(
    client: httpx2.AsyncClient, read: Read, database: Database
) -> None:
    before = read()
    assert (await client.get("/walrus/secret-path")).status_code == 404
    assert (await client.request("WALRUS", "/search")).status_code == 405
    headers = await token(database, "walrus-tenant", name="walrus-caller")
    body = {"conversation_id": "walrus-conversation", "content": "A walrus in the attic."}
    assert (await client.post("/ingest", json=body, headers=headers)).status_code == 200
    after = read()
    assert after.since(before, "http_requests_total", method="GET", route="unmatched", status="404") == 1
    assert after.since(before, "http_requests_total", method="other", route="/search", status="405") == 1
    assert "walrus" not in after.text.lower()


async def test_a_call_that_was_refused_before_its_route_was_looked_for_is_counted(
    client: httpx2.AsyncClient, read: Read, database: Database
) -> None:
    await token(database)
    before = read()
    assert (await client.post("/search", json={"query": "a"})).status_code == 401
    after = read()
    assert after.since(before, "http_requests_total", method="POST", route="unmatched", status="401") == 1


async def test_calls_of_tools_are_counted_by_how_they_ended(client: httpx2.AsyncClient, read: Read) -> None:
    before = read()
    async with Client(f"{client.base_url}/mcp", mode="auto") as mcp:
        assert not (await mcp.call_tool("search", {"query": "walrus"})).is_error
        assert (await mcp.call_tool("search", {"query": " "})).is_error
        assert (await mcp.call_tool("fetch", {"id": "conversation://nowhere"})).is_error
    after = read()
    assert after.since(before, "mcp_tool_calls_total", tool="search", outcome="ok") == 1
    assert after.since(before, "mcp_tool_calls_total", tool="search", outcome="refused") == 1
    assert after.since(before, "mcp_tool_calls_total", tool="fetch", outcome="refused") == 1
    assert after.since(before, "mcp_tool_call_duration_seconds_count", tool="search") == 2


async def test_a_tool_that_has_no_database_has_failed(rag: Rag, database: Database) -> None:
    before = reading(rag, database)
    async with running(None, None) as url, Client(f"{url}/mcp", mode="auto") as mcp:
        assert (await mcp.call_tool("search", {"query": "walrus"})).is_error
    after = reading(rag, database)
    assert after.since(before, "mcp_tool_calls_total", tool="search", outcome="failed") == 1


async def test_each_stage_of_a_search_is_timed(rag: Rag, read: Read) -> None:
    before = read()
    await rag.search("walrus")
    after = read()
    for stage in ("understanding", "embedding", "legs", "ranking"):
        name = "mcp_rag_retrieval_stage_duration_seconds_count"
        assert after.since(before, name, stage=stage) == 1


async def test_passages_that_wait_for_a_vector_are_counted_with_how_long_the_oldest_waits(
    rag: Rag, read: Read, database: Database, owner: asyncpg.Connection
) -> None:
    await token(database, "another")
    await rag.ingest("a", [NewMessage(text="The dodo is in the attic."), NewMessage(text="And the walrus?")])
    await owner.execute("UPDATE passage SET waiting_since = waiting_since - interval '1 hour'")
    waiting = read()
    assert waiting.of("mcp_rag_embedding_backlog_passages") == 2
    assert waiting.of("mcp_rag_embedding_backlog_oldest_seconds") == pytest.approx(3600, abs=600)
    await rag.vectors.drain()
    done = read()
    assert done.of("mcp_rag_embedding_backlog_passages") == 0
    assert done.of("mcp_rag_embedding_backlog_oldest_seconds") == 0


async def test_connections_are_counted_while_they_are_used_and_waited_for(
    rag: Rag, database_url: str
) -> None:
    small = Database(url=database_url, pool_size=1)
    await small.open()

    async def waiter() -> None:
        async with small.transaction(1):
            pass

    async with small.transaction(1):
        waits = asyncio.create_task(waiter())
        await asyncio.sleep(0)
        busy = reading(rag, small)
    await waits
    idle = reading(rag, small)
    assert busy.since(idle, "mcp_rag_database_connections", state="used") == 1
    assert busy.since(idle, "mcp_rag_database_connections", state="waiting") == 1
    assert busy.of("mcp_rag_database_connections_max") == 1
    assert idle.since(busy, "mcp_rag_database_connection_wait_seconds_count") == 1
    await small.close()


async def test_tokens_of_models_and_answers_that_were_kept_are_counted(
    serve: Callable[..., str], library_url: str, embedder: Embedder
) -> None:
    model = Service()

    def writes(asked: Asked) -> Reply:
        return Reply(['The rent is 1,720. [1: "1,720 cold per month"]'])

    model.writes = writes
    async with AsyncExitStack() as stack:
        writer = OpenAIAnswerer(MODEL, api_key=KEY, url=f"{serve(model.app)}/v1", timeout=60)
        stack.push_async_callback(writer.close)
        database = Database(url=library_url)
        await database.open()
        stack.push_async_callback(database.close)
        rag = Rag(Store(database), Borrowed(embedder), answerer=writer, cache=InProcess())
        stack.push_async_callback(rag.vectors.close)
        await rag.vectors.ready()
        before = reading(rag, database)
        for _ in range(2):
            answer = await rag.ask("What rent did we agree on for Hafenstraße 12?")
        after = reading(rag, database)
    assert answer.account.cached
    assert after.since(before, "mcp_rag_answer_cache_requests_total", result="miss") == 1
    assert after.since(before, "mcp_rag_answer_cache_requests_total", result="hit") == 1
    for direction in ("in", "out"):
        assert after.since(before, "mcp_rag_model_tokens_total", direction=direction) > 0


async def test_prometheus_is_answered_in_the_format_that_it_asks_for(rag: Rag, database: Database) -> None:
    accepted = "application/openmetrics-text;version=1.0.0"
    with scraped(rag, database) as url:
        answer = httpx2.get(url, headers={"Accept": accepted}, timeout=60)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert {family.name for family in openmetrics_families(answer.text)} >= {
            "http_requests",
            "http_request_duration_seconds",
            "mcp_tool_calls",
            "mcp_rag_embedding_backlog_passages",
            "process_resident_memory_bytes",
        }


async def test_without_a_database_there_are_metrics_and_no_number_is_made_up() -> None:
    port = ports.free("127.0.0.1", 0)
    nobody = f"postgresql://a@127.0.0.1:{ports.free('127.0.0.1', 0)}/a?sslmode=disable"
    with Sidecar(Ready(None, None), Settings(health_port=port, database_url=nobody), Leave()):
        answer = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=60)
    assert "mcp_rag_embedding_backlog_passages NaN" in answer.text
