"""Traces as real processes send them to a real collector: from the door to each statement and each model."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from mcp_rag.postgres.database import Database
from mcp_rag.rag import NewMessage, Rag
from tests.answering import openai_server
from tests.cli.command import PATIENCE, Command, stopped
from tests.conftest import eventually
from tests.free_ports import free_port
from tests.http.collector import Collected, Collector
from tests.http.running import caller, token
from tests.resident.conftest import moved_in
from tests.serving import serve as serve

SECRET = "the walrus password is tusk"
Start = Callable[..., "subprocess.Popen[bytes]"]


def parent(number: int) -> tuple[str, dict[str, str]]:
    """A trace of the caller's, and how a request says that it is part of it."""
    trace = f"{number:032x}"
    return trace, {"traceparent": f"00-{trace}-{number:016x}-01"}


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def model() -> openai_server.Service:
    return openai_server.Service()


@pytest.fixture
def mcp_rag(
    tmp_path: Path,
    database_url: str,
    collector: Collector,
    model: openai_server.Service,
    serve: Callable[..., str],
) -> Command:
    return Command(
        tmp_path,
        MCP_RAG_DATABASE_URL=database_url,
        MCP_RAG_LOG_FORMAT="json",
        MCP_RAG_OTLP_URL=serve(collector.app),
        MCP_RAG_OPENAI_URL=f"{serve(model.app)}/v1",
        MCP_RAG_OPENAI_API_KEY=openai_server.KEY,
        MCP_RAG_OPENAI_MODEL=openai_server.MODEL,
    )


@pytest.fixture
def start(mcp_rag: Command) -> Iterator[Start]:
    """Starts a process that does not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def _start(*arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        started.append(mcp_rag.with_environment(**environment).start(*arguments))
        return started[-1]

    yield _start
    for process in started:
        process.kill()
        process.communicate()


@asynccontextmanager
async def served(start: Start, **environment: str) -> AsyncIterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The base URL of a server that serves."""
    port = free_port()
    process, url = start("serve", "--port", str(port), **environment), f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        try:
            return (await client.get("/health")).status_code == 200
        except httpx2.TransportError:
            return False

    async with httpx2.AsyncClient(base_url=url) as client:
        await eventually(answers, within=PATIENCE)
    yield url, process


async def told(collector: Collector, name: str) -> bool:
    return name in {span.name for span in collector.spans}


def within(outer: Collected, inner: Collected) -> bool:
    return outer.begun <= inner.begun and inner.ended <= outer.ended


async def test_a_call_over_rest_is_told_from_its_door_to_its_statements(
    start: Start, collector: Collector
) -> None:
    (stored, to_store), (asked, to_search) = parent(1), parent(2)
    async with served(start) as (url, process), caller(url) as client:
        body = {"conversation_id": "zoo", "content": "The walrus eats clams."}
        assert (await client.post("/ingest", json=body, headers=to_store)).status_code == 200
        assert (await client.post("/search", json={"query": "walrus"}, headers=to_search)).status_code == 200
        stopped(process, signal.SIGTERM)
    door, statement = collector.named("POST /search", asked), collector.named("search", asked)
    assert door.parent == f"{2:016x}"
    assert door.service == "mcp-rag"
    assert door.attributes == {
        "http.request.method": "POST",
        "http.route": "/search",
        "http.response.status_code": 200,
    }
    assert collector.above(statement) == ["POST /search", "legs"]
    assert statement.attributes["db.system.name"] == "postgresql"
    assert within(door, statement)
    assert {"understanding", "embedding", "legs", "ranking"} <= {each.name for each in collector.of(asked)}
    assert {"POST /ingest", "COMMIT"} <= {each.name for each in collector.of(stored)}
    # A statement that nobody's call needed is in no trace.
    assert {each.trace for each in collector.spans if "db.system.name" in each.attributes} <= {
        each.trace for each in collector.spans if "db.system.name" not in each.attributes
    }


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_tool_call_is_part_of_the_trace_that_its_meta_names(
    start: Start, collector: Collector, era: str
) -> None:
    trace, _ = parent(3)
    theirs = NonRecordingSpan(SpanContext(3, 3, is_remote=False, trace_flags=TraceFlags(1)))
    async with served(start) as (url, process):
        async with Client(f"{url}/mcp", mode=era) as client:
            with use_span(theirs):
                assert not (await client.call_tool("search", {"query": "walrus"})).is_error
        stopped(process, signal.SIGTERM)
    call = collector.named("tools/call search", trace)
    assert call.parent == f"{3:016x}"
    assert collector.above(collector.named("search", trace)) == ["tools/call search", "legs"]


async def test_what_a_model_was_asked_is_told_with_its_tokens(
    start: Start, collector: Collector, model: openai_server.Service, rag: Rag
) -> None:
    await rag.ingest("zoo", [NewMessage(text=f"Remember: {SECRET}.")])
    model.says(f'They told you [1: "{SECRET}"].')
    question = {"question": "What is the walrus password?"}
    async with served(start) as (url, process), caller(url) as client:
        answered, headers = parent(4)
        reply = (await client.post("/ask", json=question, headers=headers)).json()
        assert SECRET in reply["citations"][0]["quote"]
        refused, headers = parent(5)
        model.refusals = [openai_server.refusal(400, f"Not about {SECRET}.")]
        other = {"question": "What did they say of the walrus password?"}
        assert (await client.post("/ask", json=other, headers=headers)).status_code == 200
        stopped(process, signal.SIGTERM)
    call = collector.named(f"chat {openai_server.MODEL}", answered)
    assert collector.above(call) == ["POST /ask"]
    assert (call.attributes["gen_ai.usage.input_tokens"], call.attributes["gen_ai.usage.output_tokens"]) == (
        300,
        40,
    )
    failed = collector.named(f"chat {openai_server.MODEL}", refused)
    assert failed.failed and failed.attributes["error.type"] == "Declined"


async def test_neither_what_was_said_nor_who_may_call_is_in_a_span(
    start: Start, collector: Collector, model: openai_server.Service, database: Database
) -> None:
    headers = await token(database, "acme")
    model.says(f'They told you [1: "{SECRET}"].')
    async with served(start) as (url, process), caller(url, headers) as client:
        stored = {"conversation_id": "secret-name", "content": SECRET}
        for path, body in (
            ("/ingest", stored),
            ("/search?why=tusk", {"query": SECRET}),
            ("/ask", {"question": f"What is it, if {SECRET}?"}),
            ("/search", {"query": SECRET, "cursor": SECRET}),
            ("/ingest", {"conversation_id": "secret-name", "content": ""}),
        ):
            await client.post(path, json=body)
        assert (await client.get("/conversations/secret-name")).status_code == 200
        assert (await client.get("/conversations/secret-name-too")).status_code == 404
        async with (
            httpx2.AsyncClient(headers=headers) as theirs,
            Client(streamable_http_client(f"{url}/mcp", http_client=theirs)) as mcp,
        ):
            await mcp.call_tool("search", {"query": SECRET, "walrus": SECRET})
            await mcp.call_tool("fetch", {"id": "conversation://secret-name"})
        stopped(process, signal.SIGTERM)
    assert {"POST /ask", "tools/call fetch"} <= {span.name for span in collector.spans}
    for secret in ("walrus", "tusk", "secret-name", headers["Authorization"].split()[1]):
        assert secret.encode() not in collector.sent


async def test_the_lines_of_a_call_in_the_log_name_its_trace(start: Start, collector: Collector) -> None:
    trace, headers = parent(6)
    async with served(start) as (url, process), caller(url) as client:
        await client.post("/search", json={"query": "a"}, headers=headers)
        said = stopped(process, signal.SIGTERM).err
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    (line,) = (line for line in lines if line.get("route") == "/search")
    assert (line["trace_id"], line["span_id"]) == (trace, collector.named("POST /search", trace).id)


async def test_the_resident_server_tells_what_came_over_stdio(
    collector: Collector, serve: Callable[..., str], database_url: str
) -> None:
    with moved_in(MCP_RAG_DATABASE_URL=database_url, MCP_RAG_OTLP_URL=serve(collector.app)) as home:
        pipe = StdioServerParameters(
            command=sys.executable, args=["-m", "mcp_rag", "stdio"], env=home.environment
        )
        async with Client(stdio_client(pipe)) as client:
            assert not (await client.call_tool("search", {"query": "walrus"})).is_error
            await eventually(lambda: told(collector, "tools/call search"))
    assert collector.above(collector.named("legs")) == ["tools/call search"]


async def test_a_worker_tells_what_it_embeds(start: Start, collector: Collector, rag: Rag) -> None:
    await rag.ingest("zoo", [NewMessage(text="The walrus eats clams.")])
    worker = start("worker")
    await eventually(lambda: told(collector, "embed passages"))
    batch = collector.named("embed passages")
    assert (batch.service, batch.attributes) == ("mcp-rag-worker", {"passages": 1})
    assert collector.named("insert_vector", batch.trace).parent == batch.id
    stopped(worker, signal.SIGTERM)


async def test_a_collector_that_is_down_keeps_nobody_waiting(start: Start) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with served(start, MCP_RAG_OTLP_URL=nobody) as (url, process), caller(url) as client:
        assert (await client.post("/search", json={"query": "a"})).status_code == 200
        finished = stopped(process, signal.SIGTERM)
    assert "Failed to export" not in finished.out
    assert finished.out == ""
