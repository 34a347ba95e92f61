"""A client that does not read what it is told, or send what it has begun, keeps no place from others."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from tests.http.wire import calling
from tests.resident.household import INITIALIZE, SECONDS, request
from tests.serve_process import Serving

PAGE = "The heron stands in the reeds. " * 1_000
ENOUGH = 8_000_000
"""Bytes that fit into no buffer of the server's."""
LITTLE = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]


@pytest.fixture
def serving(database_url: str) -> Iterator[Serving]:
    """It works on one call at a time."""
    with Serving(MCP_RAG_DATABASE_URL=database_url, MCP_RAG_CALLS_AT_ONCE="1") as server:
        yield server


@pytest.fixture
async def http(serving: Serving) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=serving.url(""), timeout=SECONDS) as client:
        yield client


@pytest.fixture
async def deaf(serving: Serving) -> AsyncIterator[httpx2.AsyncClient]:
    """It has hardly room for what it does not read."""
    little = httpx2.AsyncHTTPTransport(socket_options=LITTLE)
    async with httpx2.AsyncClient(base_url=serving.url(""), timeout=SECONDS, transport=little) as client:
        yield client


@pytest.fixture
async def marsh(rag: Rag) -> None:
    await rag.ingest("marsh", [NewMessage(text=f"{n}. {PAGE}") for n in range(ENOUGH // len(PAGE))])


async def is_answered(http: httpx2.AsyncClient) -> bool:
    found = await http.post("/search", json={"query": "heron"})
    return found.status_code == 200 and found.json()["total"] > 0


async def test_who_does_not_read_what_comes_over_sse(
    http: httpx2.AsyncClient, deaf: httpx2.AsyncClient, marsh: None
) -> None:
    async with deaf.stream("GET", "/sse") as stream:
        heard = told(stream)
        address = await anext(heard)

        async def say(message: dict[str, Any]) -> None:
            assert (await http.post(address, json=message)).status_code == 202

        await say(request("initialize", 0, **INITIALIZE))
        await say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await say(request("logging/setLevel", 1, level="debug"))
        for number in range(2, 2 + ENOUGH // len(PAGE)):
            await say(call("fetch", number, id="marsh#0", around=0, max_tokens=10_000))
        for name in ("a", "b"):
            await say(call("ask", name, question="Where does the heron stand?"))
        assert await is_answered(http)


async def told(stream: httpx2.Response) -> AsyncIterator[str]:
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")


def call(tool: str, identity: int | str, **arguments: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"name": tool, "arguments": arguments, "_meta": {"progressToken": identity}}
    return request("tools/call", identity, **asked)


async def test_who_does_not_read_what_was_asked_for_over_rest(
    http: httpx2.AsyncClient, deaf: httpx2.AsyncClient, marsh: None
) -> None:
    async with deaf.stream("GET", "/conversations/marsh/messages", params={"limit": 1_000}) as answer:
        assert answer.status_code == 200
        assert await is_answered(http)


async def test_who_begins_to_send_lines_and_does_not_go_on(
    serving: Serving, http: httpx2.AsyncClient, rag: Rag
) -> None:
    lines = [json.dumps({"conversation_id": name, "content": PAGE}).encode() + b"\n" for name in ("a", "b")]
    async with calling(serving.url("").rstrip("/"), "/ingest", Content_Type="application/x-ndjson") as wire:
        await wire.send(lines[0])
        assert (await wire.head())[0] == 200
        assert json.loads(await wire.chunk())["added"] == 1
        await wire.send(lines[1][:100])
        assert await is_answered(http)
        await wire.send(lines[1][100:])
        assert json.loads(await wire.chunk())["added"] == 1
        await wire.end()
        assert await wire.chunk() == b""
