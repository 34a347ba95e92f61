"""The product's own processes over stdio, SSE and streamable HTTP, in every revision of the protocol."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Self

import asyncpg
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp.types import CallToolResult, JSONRPCNotification, JSONRPCRequest, PromptReference, TextContent

from mcp_rag.cli import ports
from mcp_rag.errors import InvalidSettings
from mcp_rag.server import serve
from mcp_rag.settings import Settings
from tests import inspection
from tests.conftest import TEMPLATE, of_database
from tests.resident.conftest import moved_in
from tests.resident.household import INITIALIZE, ROOT, SECONDS, Household, eventually

MCP_RAG = [sys.executable, "-m", "mcp_rag"]
MODERN = "2026-07-28"
TOOLS = {"ingest", "search", "ask", "fetch", "list_conversations", "forget"}
INTERNAL_ERROR = -32603
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": INITIALIZE["clientInfo"],
}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
# Under the limit, over it, and over it without saying so.
BODIES = [b"[" * 1_000_000, b" " * 1_100_000, [b" " * 100_000] * 11]
CONTINUE = PromptReference(type="ref/prompt", name="continue_conversation")
# Only of this database: each test's owner looks at its own.
WAITING = """
    SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE NOT granted AND datname = current_database()
"""
Connect = Callable[[], Any]
each_era = pytest.mark.parametrize("era", ["legacy", MODERN])
each_transport = pytest.mark.parametrize("transport", ["streamable", "sse", "stdio"])


class Serving:
    """`mcp-rag serve` as a process of its own, from when it listens until it is told to stop."""

    def __init__(self, **environment: str) -> None:
        self.port = ports.free("127.0.0.1", 0)
        self.process = subprocess.Popen(
            [*MCP_RAG, "serve", "--port", str(self.port)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        eventually(self.is_listening)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def connect(self, transport: str) -> Any:
        if transport == "sse":
            return sse_client(self.url("sse"))
        return streamable_http_client(self.url("mcp"))

    def is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Speaker:
    """A client that speaks one revision of the protocol, message by message."""

    def __init__(self, streams: Any, revision: str) -> None:
        self._heard, self._said = streams[:2]
        self._revision = revision
        self._count = 0

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a request."""
        self._count += 1
        headers = {"mcp-protocol-version": self._revision}
        if self._revision == MODERN:
            headers |= {"mcp-method": method, "mcp-name": params.get("name") or params.get("uri") or ""}
            params["_meta"] = META
        request = JSONRPCRequest(jsonrpc="2.0", id=self._count, method=method, params=params)
        await self._said.send(SessionMessage(request, ClientMessageMetadata(headers=headers)))
        heard = await self._heard.receive()
        assert heard.message.id == self._count, heard
        return dict(heard.message.result)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.ask("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        return dict(result["structuredContent"])

    async def negotiate(self) -> None:
        if self._revision == MODERN:
            assert MODERN in (await self.ask("server/discover"))["supportedVersions"]
            return
        agreed = await self.ask("initialize", **{**INITIALIZE, "protocolVersion": self._revision})
        assert (agreed["protocolVersion"], agreed["serverInfo"]["name"]) == (self._revision, "mcp-rag")
        assert "past conversations" in agreed["instructions"]
        await self._said.send(
            SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized"))
        )


@pytest.fixture(scope="module")
def shared_url(postgres: str) -> str:
    """A database that the tests of this file share."""
    name = f"shared_{uuid.uuid4().hex[:12]}"

    async def create() -> None:
        connection = await asyncpg.connect(postgres)
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        await connection.close()

    asyncio.run(create())
    return of_database(postgres, name)


@pytest.fixture(scope="module")
def serving(shared_url: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=shared_url, MCP_RAG_MAX_MESSAGE_MB="1") as server:
        yield server


@pytest.fixture(scope="module")
def settled(shared_url: str) -> Iterator[Household]:
    with moved_in() as home:
        home.environment["MCP_RAG_DATABASE_URL"] = shared_url
        yield home


@pytest.fixture
def household(database_url: str) -> Iterator[Household]:
    """A user whose resident may be hurt."""
    with moved_in() as home:
        home.environment["MCP_RAG_DATABASE_URL"] = database_url
        yield home


@pytest.fixture
def connect(serving: Serving, settled: Household, transport: str) -> Connect:
    return (lambda: pipe(settled)) if transport == "stdio" else (lambda: serving.connect(transport))


@pytest.fixture
def stranded(transport: str) -> Iterator[Connect]:
    """How to reach a server whose database cannot be reached."""
    with ExitStack() as stack:
        if transport == "stdio":
            home = stack.enter_context(moved_in())
            home.environment["MCP_RAG_DATABASE_URL"] = nowhere()
            yield lambda: pipe(home)
        else:
            server = stack.enter_context(Serving(MCP_RAG_DATABASE_URL=nowhere()))
            yield lambda: server.connect(transport)


def pipe(household: Household) -> Any:
    command, *arguments = [*MCP_RAG, "stdio"]
    return stdio_client(StdioServerParameters(command=command, args=arguments, env=household.environment))


def nowhere() -> str:
    """The URL of a database on a port where nobody listens."""
    return f"postgresql://postgres@127.0.0.1:{ports.free('127.0.0.1', 0)}/nothing?sslmode=disable"


def told(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def stored(client: Client, name: str, *texts: str) -> dict[str, Any]:
    """The receipt for some messages."""
    messages = [{"text": text} for text in texts]
    result = await client.call_tool("ingest", {"conversation_id": name, "messages": messages})
    assert not result.is_error and result.structured_content, result
    return result.structured_content


@asynccontextmanager
async def withheld(owner: asyncpg.Connection) -> AsyncIterator[Callable[[int], Any]]:
    """Nothing can be written; gives a way to wait until so many writers wait."""

    async def writers(number: int) -> None:
        async with asyncio.timeout(SECONDS):
            while await owner.fetchval(WAITING) != number:
                await asyncio.sleep(0.005)

    async with owner.transaction():
        await owner.execute("LOCK TABLE conversation IN SHARE MODE")
        yield writers


@each_transport
@pytest.mark.parametrize("mode", ["legacy", MODERN, "auto"])
async def test_a_client_of_either_era_is_served(connect: Connect, transport: str, mode: str) -> None:
    name = f"{transport}/{mode}"
    async with Client(connect(), mode=mode, read_timeout_seconds=SECONDS) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        assert (await stored(client, name, f"We met the quagga of {name}."))["added"] == 1
        found = await client.call_tool("search", {"query": "quagga", "conversation_id": name})
        assert found.structured_content
        (hit,) = found.structured_content["results"]
        (resource,) = (await client.read_resource(hit["url"])).contents
        assert f"> We met the quagga of {name}." in resource.text
        assert name in {each.name for each in (await client.list_resources()).resources}


@each_transport
@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25", MODERN])
async def test_each_revision_of_the_protocol_is_agreed_on_and_served(
    connect: Connect, transport: str, revision: str
) -> None:
    name = f"{transport} {revision}"
    async with asyncio.timeout(SECONDS), connect() as streams:
        speaker = Speaker(streams, revision)
        await speaker.negotiate()
        assert {tool["name"] for tool in (await speaker.ask("tools/list"))["tools"]} == TOOLS
        receipt = await speaker.call("ingest", conversation_id=name, content="The dodo is in the attic.")
        assert (receipt["added"], receipt["skipped"]) == (1, [])
        (hit,) = (await speaker.call("search", query="dodo attic", conversation_id=name))["results"]
        assert "The dodo is in the attic." in (await speaker.call("fetch", id=hit["id"]))["text"]
        (read,) = (await speaker.ask("resources/read", uri=hit["url"]))["contents"]
        assert "> The dodo is in the attic." in read["text"]
        prompt = await speaker.ask("prompts/get", name="recall", arguments={"topic": "dodos"})
        (message,) = prompt["messages"]
        assert "dodos" in message["content"]["text"]
        completed = await speaker.ask(
            "completion/complete",
            ref={"type": "ref/prompt", "name": "continue_conversation"},
            argument={"name": "conversation_id", "value": name},
        )
        assert completed["completion"]["values"] == [name]


@each_era
async def test_two_clients_of_stdio_share_a_resident_and_find_what_the_other_stored(
    settled: Household, era: str
) -> None:
    async with Client(pipe(settled), mode=era) as one, Client(pipe(settled), mode="auto") as other:
        await stored(one, f"by-one/{era}", "The key is under the flowerpot.")
        found = await other.call_tool("search", {"query": "flowerpot", "conversation_id": f"by-one/{era}"})
        assert "The key is under the flowerpot." in told(found)
        assert settled.residents() == [settled.resident()]


@each_era
async def test_a_resident_killed_in_the_middle_of_a_call_loses_nothing(
    household: Household, owner: asyncpg.Connection, era: str
) -> None:
    async with Client(pipe(household), mode=era, read_timeout_seconds=SECONDS) as client:
        await stored(client, "trip", "Where to?")
        first = household.resident()
        async with withheld(owner) as writers:
            call = asyncio.create_task(stored(client, "trip", "Where to?", "Lisbon."))
            await writers(1)
            os.kill(first, signal.SIGKILL)
            await writers(2)
        receipt = await call
        assert (receipt["added"], receipt["unchanged"]) == (1, 1)
        assert household.resident() != first
    assert await inspection.texts(owner, "trip") == ["Where to?", "Lisbon."]


@pytest.mark.parametrize(
    ("transport", "era"), [("streamable", "legacy"), ("streamable", MODERN), ("sse", "auto")]
)
async def test_told_to_stop_the_server_finishes_the_call_in_flight(
    database_url: str, owner: asyncpg.Connection, transport: str, era: str
) -> None:
    with Serving(MCP_RAG_DATABASE_URL=database_url) as server:
        async with Client(server.connect(transport), mode=era, read_timeout_seconds=SECONDS) as client:
            async with withheld(owner) as writers:
                call = asyncio.create_task(stored(client, "trip", "Lisbon."))
                await writers(1)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(eventually, lambda: not server.is_listening())
            assert (await call)["added"] == 1
        out, _ = await asyncio.to_thread(server.process.communicate, timeout=SECONDS)
    assert (out, server.process.returncode) == (b"", -signal.SIGTERM)
    assert await inspection.texts(owner, "trip") == ["Lisbon."]


async def test_listing_does_not_wait_for_a_database_and_stopping_neither() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://postgres@127.0.0.1:{mute.getsockname()[1]}/nothing?sslmode=disable"
        with Serving(MCP_RAG_DATABASE_URL=url) as server:
            for era in ("legacy", MODERN):
                async with Client(server.url("mcp"), mode=era, read_timeout_seconds=SECONDS) as client:
                    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
                    assert (await client.list_prompts()).prompts
            server.process.terminate()
            assert await asyncio.to_thread(server.process.wait, SECONDS) == -signal.SIGTERM


@pytest.mark.parametrize("transport", ["streamable", "stdio"])
async def test_without_a_database_each_call_says_so_and_the_server_lives(stranded: Connect) -> None:
    for era in ("legacy", MODERN):
        async with Client(stranded(), mode=era, read_timeout_seconds=SECONDS) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            answer = await client.call_tool("search", {"query": "walrus"})
            assert answer.is_error and "cannot be reached" in told(answer)
            assert "Check that it runs and that MCP_RAG_DATABASE_URL is right" in told(answer)
            for refused in (
                client.list_resources(),
                client.read_resource("conversation://trip"),
                client.read_resource("rag://status"),
                client.complete(CONTINUE, {"name": "conversation_id", "value": "a"}),
            ):
                with pytest.raises(MCPError) as caught:
                    await refused
                assert caught.value.error.code == INTERNAL_ERROR
                assert "cannot be reached" in caught.value.error.message


def test_an_address_that_others_can_reach_is_refused_with_the_reason() -> None:
    done = subprocess.run(
        [*MCP_RAG, "serve", "--host", "0.0.0.0", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "0.0.0.0, and callers are not identified yet" in done.stderr
    assert "Use 127.0.0.1" in done.stderr


@pytest.mark.parametrize("host", ["", "::", "192.0.2.1", "memory.example.com", "127.0.0.1.example.com"])
def test_only_an_address_of_this_machine_alone_is_served(host: str) -> None:
    with pytest.raises(InvalidSettings, match="callers are not identified"):
        serve(Settings(host=host))


@pytest.mark.parametrize("path", ["mcp", "sse", "messages/?session_id=" + "0" * 32])
def test_a_page_of_another_site_is_refused(serving: Serving, path: str) -> None:
    ask = httpx2.get if path == "sse" else httpx2.post
    for header, code in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)):
        assert ask(serving.url(path), headers={**HEADERS, **header}).status_code == code


@pytest.mark.parametrize("path", ["mcp", "messages/?session_id=" + "0" * 32])
def test_a_body_over_the_limit_is_refused_and_one_under_it_is_not(serving: Serving, path: str) -> None:
    for headers in (HEADERS, {**HEADERS, "MCP-Protocol-Version": MODERN}):
        sizes = [httpx2.post(serving.url(path), headers=headers, content=body).status_code for body in BODIES]
        assert sizes[0] not in (413, 500) and sizes[1:] == [413, 413]


async def test_after_all_that_was_refused_a_message_as_large_as_allowed_is_stored(serving: Serving) -> None:
    texts = [f"Entry {number}: {'walrus ' * 100}" for number in range(1_000)]
    async with Client(serving.url("mcp"), read_timeout_seconds=SECONDS) as client:
        assert (await stored(client, "large", *texts))["added"] == len(texts)
