"""The end of the process: what is in flight is finished, whoever listens is told, and it ends with 0."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client

from tests import inspection
from tests.cli.command import PATIENCE
from tests.conftest import eventually
from tests.http.process import Service
from tests.http.running import caller
from tests.locks import withheld

ERAS = ("legacy", "2026-07-28")
# Far more than a test takes: what ends before has ended because it could.
ENDLESS = str(3600)
NOTE = {"conversation_id": "note", "content": "The gate is green."}
LINES = {"Content-Type": "application/x-ndjson"}
LISBON = [{"text": "Lisbon."}]
ACCEPT = {"Accept": "application/json, text/event-stream"}
MODERN = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def ask(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


INITIALIZE = ask(
    "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "old", "version": "1"}
)
LISTEN = ask("subscriptions/listen", notifications={"toolsListChanged": True}, _meta=META)


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Service]:
    """One that waits for its calls, and for its streams if it has to, for as long as a test could last."""
    async with Service(tmp_path, database_url, MCP_RAG_GRACE_SECONDS=ENDLESS) as service:
        yield service


@asynccontextmanager
async def over_sse(service: Service, era: str) -> AsyncIterator[Client]:
    async with Client(sse_client(f"{service.url}/sse"), mode=era, read_timeout_seconds=PATIENCE) as client:
        # It verifies results by the tools' schemas, and cannot ask a server for them that leaves.
        await client.list_tools()
        yield client


@asynccontextmanager
async def listening(client: httpx2.AsyncClient) -> AsyncIterator[list[AsyncIterator[str]]]:
    """What comes over each kind of stream on which nothing is asked."""
    opened = await client.post("/mcp", json=INITIALIZE, headers=ACCEPT)
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(stream)
            for stream in (
                client.stream("GET", "/sse"),
                client.stream("GET", "/mcp", headers=ACCEPT | session),
                client.stream("POST", "/mcp", json=LISTEN, headers=ACCEPT | MODERN),
            )
        ]
        assert [stream.status_code for stream in streams] == [200] * len(streams)
        yield [stream.aiter_text() for stream in streams]


async def test_streams_that_wait_for_news_end_as_they_should_and_hold_nobody_up(service: Service) -> None:
    async with caller(service.url) as client, listening(client) as streams:
        sse, _, listen = streams
        assert "/messages/?session_id=" in await anext(sse)
        assert "acknowledged" in await anext(listen)
        service.tell()
        # A connection that breaks off would raise.
        async with asyncio.timeout(PATIENCE):
            assert [[more async for more in stream] for stream in streams] == [[]] * len(streams)
        assert await service.ended() == 0


async def test_what_is_in_flight_is_answered_to_its_end_and_then_nobody_is_waited_for(
    service: Service, owner: asyncpg.Connection
) -> None:
    body = b"".join(json.dumps(NOTE | {"conversation_id": f"line {n}"}).encode() + b"\n" for n in range(3))
    async with caller(service.url) as http, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(over_sse(service, era)) for era in ERAS]
        async with withheld(owner) as writers:
            one = asyncio.create_task(http.post("/ingest", json=NOTE))
            many = asyncio.create_task(http.post("/ingest", content=body, headers=LINES))
            called = [
                asyncio.create_task(client.call_tool("ingest", {"conversation_id": era, "messages": LISBON}))
                for era, client in zip(ERAS, clients, strict=True)
            ]
            await writers(2 + len(called))
            service.tell()
            await eventually(service.refuses, within=PATIENCE)
            assert not any(call.done() for call in (one, many, *called))
        assert (await one).json()["added"] == 1
        receipts = [json.loads(line) for line in (await many).text.splitlines()]
        assert [receipt["added"] for receipt in receipts] == [1, 1, 1]
        assert [(await call).structured_content["added"] for call in called] == [1] * len(called)
        # No client has left, and none need.
        assert await service.ended() == 0


async def test_a_call_that_outlasts_the_grace_is_told_to_come_again_and_has_stored_nothing(
    tmp_path: Path, database_url: str, owner: asyncpg.Connection
) -> None:
    async with (
        Service(tmp_path, database_url, MCP_RAG_GRACE_SECONDS="1") as service,
        caller(service.url) as client,
        withheld(owner) as writers,
    ):
        call = asyncio.create_task(client.post("/ingest", json=NOTE))
        await writers(1)
        service.tell()
        answer = await call
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:mcp-rag:Leaving")
        assert int(answer.headers["retry-after"]) > 0
        assert await service.ended() == 0
    assert await inspection.texts(owner, "note") == []


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_while_it_drains_it_takes_calls_keeps_no_connection_and_a_second_signal_ends_it(
    tmp_path: Path, database_url: str, second: signal.Signals
) -> None:
    async with (
        Service(tmp_path, database_url, "--drain-seconds", "600") as service,
        caller(service.url) as client,
    ):
        assert "connection" not in (await client.get("/conversations")).headers
        service.tell()
        await eventually(service.is_leaving, within=PATIENCE)
        answer = await client.get("/conversations")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert (await client.post("/ingest", json=NOTE)).json()["added"] == 1
        async with over_sse(service, "legacy") as late:
            assert (await late.call_tool("search", {"query": "gate"})).structured_content["results"]
            service.tell(second)
            assert await service.ended() == 0


async def test_by_hand_it_is_stopped_at_once_however_long_it_would_drain(
    tmp_path: Path, database_url: str
) -> None:
    async with Service(tmp_path, database_url, MCP_RAG_DRAIN_SECONDS="600") as service:
        service.tell(signal.SIGINT)
        assert await service.ended() == 0


async def test_after_the_time_to_drain_it_ends_by_itself(tmp_path: Path, database_url: str) -> None:
    async with Service(tmp_path, database_url, MCP_RAG_DRAIN_SECONDS="0.5") as service:
        service.tell()
        assert await service.ended() == 0
