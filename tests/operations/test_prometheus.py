"""A real Prometheus reads a real server, and is asked the queries of docs/service.md and of the runbook."""

import asyncio
import math
import re
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx2
import pytest
import yaml
from mcp.client import Client
from prometheus_client.parser import text_string_to_metric_families

from mcp_rag.postgres.database import Database
from tests.cli.command import PATIENCE, ROOT, Command, ended, is_ready, said
from tests.conftest import eventually
from tests.docs_tables import SERVICE
from tests.http.running import caller, token
from tests.operations.prometheus import Prometheus, Refused, watching

pytestmark = pytest.mark.operations

RUNBOOK = ROOT / "deploy" / "RUNBOOK.md"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
AT_ONCE, FOUND, UNKNOWN, TURNED_AWAY = 4, 20, 2, 6
"""Calls that wait for the database at once; that find something, that find nothing, that are too many."""


def metrics() -> str:
    return SERVICE.read_text(encoding="utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def queries(text: str) -> dict[str, str]:
    """Those of a document, by the line above each."""
    told = "\n".join(blocks("promql", text))
    return dict(re.findall(r"^# (.+)\n(.+)$", told, re.MULTILINE))


QUERIES = queries(metrics()) | queries(RUNBOOK.read_text(encoding="utf-8"))
ERRORS, P95, RESTARTS = (QUERIES[name] for name in ("Error rate", "Response time p95", "Pod restarts"))
ERRORS_OR_0, TOO_MANY = QUERIES["Error rate, 0 while nobody calls"], QUERIES["Too many errors"]
NOBODY = QUERIES["Nobody to ask"]


class Served:
    """A server as a process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.url = said(process, "/mcp")
        self.probes = said(process, "Probes")

    def metrics(self) -> str:
        return httpx2.get(f"{self.probes}/metrics", timeout=PATIENCE).text


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    """It works on a few calls at once and lets none wait, and tells of one tenant by name."""
    command = Command(
        tmp_path,
        MCP_RAG_DATABASE_URL=database_url,
        MCP_RAG_HEALTH_PORT=None,
        MCP_RAG_CALLS_AT_ONCE=str(AT_ONCE),
        MCP_RAG_CALLS_WAITING="0",
        MCP_RAG_METRICS_TENANTS="1",
        MCP_RAG_EMBED="0",
        MCP_RAG_LOG_LEVEL="error",
    )
    process = command.start("serve", "--port", "0")
    try:
        served = Served(process)
        await eventually(lambda: is_ready(served.probes), within=PATIENCE)
        yield served
    finally:
        ended(process)


@pytest.fixture
async def prometheus(server: Served, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """It has read that server at least once."""
    (config,) = blocks("yaml", metrics())
    with watching(server.probes, yaml.safe_load(config), tmp_path) as prometheus:
        await eventually(prometheus.is_up, within=PATIENCE)
        yield prometheus


def requests(status: int) -> str:
    return f'sum(http_requests_total{{status="{status}",route!="/mcp"}})'


def gives(prometheus: Prometheus, query: str, value: float) -> Callable[[], Awaitable[bool]]:
    """Whether a query gives this, once Prometheus has read it."""

    async def condition() -> bool:
        return prometheus.value(query) == value

    return condition


def approaches(prometheus: Prometheus, query: str, value: float) -> Callable[[], Awaitable[bool]]:
    """Whether a query of rates gives about this.

    They are stretched to the ends of their window, each series by what is before and behind it: the more was
    read, the less that is.
    """

    async def condition() -> bool:
        return prometheus.value(query) == pytest.approx(value, rel=0.1)

    return condition


def quiet(prometheus: Prometheus) -> Callable[[], Awaitable[bool]]:
    """Whether Prometheus knows of calls, and that there are none now: 0 of 0 failed."""

    async def condition() -> bool:
        return math.isnan(prometheus.value(ERRORS) or 0)

    return condition


async def warm_up(client: httpx2.AsyncClient) -> None:
    """One call of each kind: no rate sees what was counted before a series was read for the first time."""
    body = {"conversation_id": "a", "content": "A walrus in the attic."}
    assert (await client.post("/ingest", json=body)).status_code == 200
    assert (await client.post("/search", json={"query": "walrus"})).status_code == 200
    assert (await client.get("/conversations/nowhere")).status_code == 404


async def warm_up_tools(mcp: Client) -> None:
    """Likewise."""
    assert not (await mcp.call_tool("search", {"query": "walrus"})).is_error
    assert (await mcp.call_tool("search", {"query": " "})).is_error
    assert (await mcp.call_tool("fetch", {"id": "conversation://nowhere"})).is_error


class Timed:
    """Calls, with the seconds that each took for who called."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    async def __call__(self, method: str, path: str, body: object = None) -> None:
        begun = time.perf_counter()
        answer = await self._client.request(method, path, json=body)
        self.seconds.append(time.perf_counter() - begun)
        self.statuses[answer.status_code] += 1


async def overload(call: Timed, owner: asyncpg.Connection) -> None:
    """As many calls as are worked on at once wait for the database, and others are turned away."""

    async def all_wait() -> bool:
        return bool(await owner.fetchval(WAITING) == AT_ONCE)

    async with asyncio.TaskGroup() as slow, owner.transaction():
        await owner.execute("LOCK TABLE conversation IN SHARE MODE")
        for n in range(AT_ONCE):
            body = {"conversation_id": f"slow-{n}", "content": "It waits."}
            slow.create_task(call("POST", "/ingest", body))
        await eventually(all_wait, within=PATIENCE)
        for _ in range(TURNED_AWAY):
            await call("POST", "/search", {"query": "walrus"})


def cumulative(text: str) -> dict[float, float]:
    """Requests that took at most so many seconds."""
    counted: Counter[float] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "http_request_duration_seconds_bucket":
                counted[float(sample.labels["le"])] += sample.value
    return dict(counted)


def bucket(counted: dict[float, float], quantile: float) -> tuple[float, float]:
    """Between which seconds this share of all requests ends."""
    wanted = quantile * counted[math.inf]
    upper = min(limit for limit, requests in counted.items() if requests >= wanted)
    return max((limit for limit in counted if limit < upper), default=0.0), upper


async def test_the_runbook_is_told_how_many_calls_failed_and_how_long_calls_take(
    server: Served, prometheus: Prometheus, owner: asyncpg.Connection
) -> None:
    assert prometheus.ask(ERRORS) == {}, "nobody has called yet"
    assert prometheus.ask(P95) == {}
    assert (prometheus.value(ERRORS_OR_0), prometheus.ask(TOO_MANY)) == (0, {})

    async with caller(server.url) as client:
        await warm_up(client)
        await eventually(gives(prometheus, requests(404), 1), within=PATIENCE)
        await eventually(quiet(prometheus), within=PATIENCE)
        assert (prometheus.value(ERRORS_OR_0), prometheus.ask(TOO_MANY)) == (0, {})
        before = cumulative(server.metrics())

        call = Timed(client)
        for _ in range(FOUND):
            await call("POST", "/search", {"query": "walrus"})
        for _ in range(UNKNOWN):
            await call("GET", "/conversations/nowhere")
        await eventually(gives(prometheus, requests(404), 1 + UNKNOWN), within=PATIENCE)
        assert prometheus.value(ERRORS) == prometheus.value(ERRORS_OR_0) == 0
        assert prometheus.ask(TOO_MANY) == {}

        await overload(call, owner)
    assert call.statuses == {200: FOUND + AT_ONCE, 404: UNKNOWN, 503: TURNED_AWAY}
    await eventually(gives(prometheus, requests(200), 2 + FOUND + AT_ONCE), within=PATIENCE)
    assert prometheus.value(requests(404)) == 1 + UNKNOWN
    assert prometheus.value(requests(503)) == TURNED_AWAY
    share = TURNED_AWAY / call.statuses.total()
    for query in (ERRORS, ERRORS_OR_0, TOO_MANY):
        await eventually(approaches(prometheus, query, share), within=PATIENCE)

    after = cumulative(server.metrics())
    taken = {limit: counted - before.get(limit, 0) for limit, counted in after.items()}
    assert taken[math.inf] == call.statuses.total()
    p95 = prometheus.value(P95)
    assert p95 is not None
    assert bucket(taken, 0.9)[0] <= p95 <= bucket(taken, 0.99)[1]
    assert bucket(taken, 1)[0] <= max(call.seconds)


async def test_restarts_of_pods_can_be_asked_for_and_are_told_by_others_than_us(
    prometheus: Prometheus,
) -> None:
    """kube-state-metrics tells them: here it is only held that the query is understood."""
    assert prometheus.ask(RESTARTS) == {}
    with pytest.raises(Refused):
        prometheus.ask(f"{RESTARTS})")


async def test_calls_of_tools_that_failed_are_told_although_http_calls_them_ok(
    server: Served, prometheus: Prometheus, owner: asyncpg.Connection
) -> None:
    tools = QUERIES["Error rate of tools, whose failures are a 200 to HTTP"]
    assert prometheus.value(tools) == 0
    async with Client(f"{server.url}/mcp", mode="auto") as mcp:
        await warm_up_tools(mcp)
        await eventually(gives(prometheus, "sum(mcp_tool_calls_total)", 3), within=PATIENCE)
        for outcome, calls in (("ok", 1), ("refused", 2), ("failed", 0)):
            assert prometheus.value(f'sum(mcp_tool_calls_total{{outcome="{outcome}"}})') == calls
        await owner.execute("ALTER TABLE message RENAME TO nowhere")
        assert (await mcp.call_tool("search", {"query": "walrus"})).is_error
        await owner.execute("ALTER TABLE nowhere RENAME TO message")
        assert not (await mcp.call_tool("search", {"query": "walrus"})).is_error
    await eventually(gives(prometheus, "sum(mcp_tool_calls_total)", 5), within=PATIENCE)
    await eventually(approaches(prometheus, tools, 1 / 2), within=PATIENCE)
    assert prometheus.value(ERRORS_OR_0) == 0


async def test_a_server_that_is_gone_is_told_by_the_query_for_that(
    server: Served, prometheus: Prometheus
) -> None:
    assert prometheus.ask(NOBODY) == {}
    ended(server.process)
    await eventually(gives(prometheus, NOBODY, 0), within=PATIENCE)
    assert prometheus.value(ERRORS_OR_0) == 0, "which is why there must be the other"


async def test_what_the_tenant_with_the_most_uses_has_its_name_and_what_the_others_use_has_none(
    server: Served, database: Database, tmp_path: Path
) -> None:
    async with caller(server.url) as client:
        for tenant, messages in (("small", 1), ("large", 3)):
            texts = [{"text": f"The {n}th walrus."} for n in range(messages)]
            body = {"conversation_id": "a", "messages": texts}
            headers = await token(database, tenant)
            assert (await client.post("/ingest", json=body, headers=headers)).status_code == 200
    (config,) = blocks("yaml", metrics())
    with watching(server.probes, yaml.safe_load(config), tmp_path) as prometheus:
        await eventually(prometheus.is_up, within=PATIENCE)
        assert prometheus.ask(QUERIES["Passages of each tenant"]) == {
            frozenset({("tenant", "large")}): 3,
            frozenset(): 1,
        }
        assert prometheus.value('mcp_rag_tenant_passages{tenant=""}') == 1
        asked = QUERIES["Tokens of each tenant in the last day"]
        named = frozenset({("tenant", "default")})

        async def is_told() -> bool:
            # An increase is between two readings.
            return prometheus.ask(asked) == {named: 0, frozenset(): 0}

        await eventually(is_told, within=PATIENCE)


async def test_promtool_finds_nothing_to_say_of_the_metrics_and_the_configuration(
    server: Served, tmp_path: Path
) -> None:
    async with caller(server.url) as client, Client(f"{server.url}/mcp", mode="auto") as mcp:
        await warm_up(client)
        await warm_up_tools(mcp)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=server.metrics(), capture_output=True, text=True
    )
    assert (checked.stdout + checked.stderr, checked.returncode) == ("", 0)
    (config,) = blocks("yaml", metrics())
    (tmp_path / "prometheus.yml").write_text(config)
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True)
