"""What Prometheus reads: what was done, how long it took, what waits, what tenants use; never what it was."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from mcp.client import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from mcp_rag.answering.openai import OpenAIAnswerer
from mcp_rag.caching.memory import InProcess
from mcp_rag.http.leaving import Leave
from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings
from mcp_rag.sidecar import Sidecar
from tests.answering.openai_server import KEY, MODEL, Asked, Reply, Service
from tests.cli.command import PATIENCE, Command, ended, is_ready, said
from tests.conftest import Borrowed, eventually
from tests.free_ports import free_port
from tests.http.running import Ready, caller, running, token
from tests.serving import serve as serve

ROUTE = "/conversations/{id}"
PASSAGES, TOKENS = "mcp_rag_tenant_passages", "mcp_rag_tenant_model_tokens_today"


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

    def by_tenant(self, name: str) -> dict[str, float]:
        return {
            dict(labels)["tenant"]: value for (each, labels), value in self._values.items() if each == name
        }

    def since(self, before: "Reading", name: str, **labels: str) -> float:
        return self.of(name, **labels) - before.of(name, **labels)


Read = Callable[[], Reading]


@contextmanager
def scraped(rag: Rag, database: Database, **settings: object) -> Iterator[str]:
    """Where the metrics of a service are."""
    port = free_port()
    with Sidecar(Ready(rag, database), Settings(health_port=port, **settings), Leave()):  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port}/metrics"


def reading(rag: Rag, database: Database, **settings: object) -> Reading:
    """Scraped by a process that has counted nothing yet."""
    with scraped(rag, database, **settings) as url:
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


async def test_what_has_not_failed_yet_is_told_as_0_so_that_its_first_failures_are_in_every_rate(
    client: httpx2.AsyncClient, read: Read
) -> None:
    assert (await client.patch("/search")).status_code == 405
    for failure in ("500", "503"):
        labels = f'method="PATCH",route="/search",status="{failure}"'
        assert f"http_requests_total{{{labels}}} 0.0" in read().text


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
    headers = await token(database, "zoo", name="walrus-caller")
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
    spent = [
        after.since(before, "mcp_rag_model_tokens_total", direction=direction) for direction in ("in", "out")
    ]
    assert min(spent) > 0
    # Which at midnight begins again, and would be less then.
    assert after.since(before, TOKENS, tenant="default") == sum(spent)


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


async def stored(client: httpx2.AsyncClient, headers: dict[str, str], name: str, messages: int) -> None:
    body = {
        "conversation_id": name,
        "messages": [{"text": f"The {n}th walrus is asleep."} for n in range(messages)],
    }
    assert (await client.post("/ingest", json=body, headers=headers)).json()["added"] == messages


async def test_of_tenants_that_store_those_with_the_most_are_named_and_the_others_are_one(
    client: httpx2.AsyncClient, rag: Rag, database: Database
) -> None:
    for tenant, messages in (("small", 1), ("large", 5), ("middle", 3)):
        await stored(client, await token(database, tenant), tenant, messages)
    told = [reading(rag, database, metrics_tenants=most).by_tenant(PASSAGES) for most in (1, 2, 20)]
    assert told == [
        {"large": 5, "": 4},
        {"large": 5, "middle": 3, "": 1},
        {"large": 5, "middle": 3, "small": 1, "default": 0},
    ]


@pytest.mark.parametrize(("named", "told"), [("0", {}), ("1", {"default": 0})])
async def test_a_server_tells_of_as_many_tenants_as_it_is_set_to(
    database_url: str, tmp_path: Path, named: str, told: dict[str, float]
) -> None:
    environment = {"MCP_RAG_DATABASE_URL": database_url, "MCP_RAG_METRICS_TENANTS": named}
    process = Command(tmp_path, MCP_RAG_HEALTH_PORT=None, **environment).start("serve", "--port", "0")
    try:
        probes = said(process, "Probes")
        await eventually(lambda: is_ready(probes), within=PATIENCE)
        assert Reading(httpx2.get(f"{probes}/metrics", timeout=PATIENCE).text).by_tenant(PASSAGES) == told
    finally:
        ended(process)


async def test_what_was_forgotten_is_used_no_more_and_who_has_no_longer_the_most_is_no_longer_named(
    client: httpx2.AsyncClient, rag: Rag, database: Database
) -> None:
    large = await token(database, "large")
    for name, messages in (("one", 4), ("two", 1)):
        await stored(client, large, name, messages)
    await stored(client, await token(database, "small"), "one", 2)
    assert reading(rag, database, metrics_tenants=1).by_tenant(PASSAGES) == {"large": 5, "": 2}
    assert (await client.delete("/conversations/one", headers=large)).json()["passages"] == 4
    assert reading(rag, database, metrics_tenants=1).by_tenant(PASSAGES) == {"small": 2, "": 1}


async def test_tokens_have_their_own_order_of_tenants_and_those_of_another_day_do_not_count(
    rag: Rag, store: Store, database: Database
) -> None:
    today = datetime.now(UTC).date()
    for tenant_id, tenant, tokens in ((2, "thrifty", 10), (3, "lavish", 300), (4, "chatty", 200)):
        await token(database, tenant)
        async with store.transaction(tenant_id) as tx:
            await tx.use_tokens(today, tokens)
            await tx.use_tokens(today - timedelta(days=2), 5000 // tokens)
    assert reading(rag, database, metrics_tenants=2).by_tenant(TOKENS) == {
        "lavish": 300,
        "chatty": 200,
        "": 10,
    }


async def test_without_a_database_there_are_metrics_and_no_number_is_made_up(
    rag: Rag, database: Database
) -> None:
    assert reading(rag, database).by_tenant(PASSAGES) == {"default": 0}
    port = free_port()
    nobody = f"postgresql://a@127.0.0.1:{free_port()}/a?sslmode=disable"
    with Sidecar(Ready(None, None), Settings(health_port=port, database_url=nobody), Leave()):
        answer = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=60)
    assert "mcp_rag_embedding_backlog_passages NaN" in answer.text
    assert Reading(answer.text).by_tenant(PASSAGES) == Reading(answer.text).by_tenant(TOKENS) == {}
