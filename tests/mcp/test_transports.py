"""The product's own processes over stdio, SSE and streamable HTTP, in every revision of the protocol."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import ClientSession, types
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from pydantic import SecretStr

from mcp_rag.errors import InvalidSettings
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from mcp_rag.serving import require_identification
from mcp_rag.settings import Settings
from tests import inspection
from tests.free_ports import free_port
from tests.hearing import Heard
from tests.http.running import running
from tests.locks import withheld
from tests.resident import household as homes
from tests.resident.conftest import moved_in
from tests.resident.household import ROOT, SECONDS, Household
from tests.serve_process import MCP_RAG, Serving, pipe

MODERN = "2026-07-28"
ERAS = ("legacy", MODERN)
TOOLS = {"ingest", "search", "ask", "fetch", "list_conversations", "forget"}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
# After a refusal at /sse the server hangs up.
CLOSE = {"Connection": "close"}
SESSION = "messages/?session_id=" + "0" * 32
CONTINUE = types.PromptReference(type="ref/prompt", name="continue_conversation")
NOTE = {"conversation_id": "held up", "content": "Where to?"}
Connect = Callable[[], Any]


@pytest.fixture(scope="module")
def serving(shared_url: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=shared_url, MCP_RAG_MAX_MESSAGE_MB="1") as server:
        yield server


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(headers=HEADERS, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def household(database_url: str) -> Iterator[Household]:
    """A user whose resident may be hurt."""
    with moved_in(MCP_RAG_DATABASE_URL=database_url) as home:
        yield home


@pytest.fixture
def connect(serving: Serving, settled: Household, transport: str) -> Connect:
    return (lambda: pipe(settled)) if transport == "stdio" else (lambda: serving.connect(transport))


@pytest.fixture
def stranded(transport: str) -> Iterator[Connect]:
    """How to reach a server whose database is on a port where nobody listens."""
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/nothing?sslmode=disable"
    with ExitStack() as stack:
        if transport == "stdio":
            home = stack.enter_context(moved_in(MCP_RAG_DATABASE_URL=url))
            yield lambda: pipe(home)
        else:
            server = stack.enter_context(Serving(MCP_RAG_DATABASE_URL=url))
            yield lambda: server.connect(transport)


@asynccontextmanager
async def speaking(transport: Any, version: str) -> AsyncIterator[ClientSession]:
    """A client as it comes out of a mode, or one that asks for a revision by name."""
    if version in ("legacy", "auto", MODERN):
        async with Client(transport, mode=version, read_timeout_seconds=SECONDS) as client:
            yield client.session
        return
    about = types.Implementation(name="old", version="1")
    params = types.InitializeRequestParams(
        protocol_version=version, capabilities=types.ClientCapabilities(), client_info=about
    )
    async with transport as (read, write), ClientSession(read, write, SECONDS) as session:
        request = types.InitializeRequest(params=params)
        session.adopt(await session.send_request(request, types.InitializeResult))
        await session.send_notification(types.InitializedNotification())
        yield session


@asynccontextmanager
async def client_of(transport: Any, era: str) -> AsyncIterator[Client]:
    async with Client(transport, mode=era, read_timeout_seconds=SECONDS) as client:
        # It verifies results by the tools' schemas, and cannot ask a server for them that has been stopped.
        await client.list_tools()
        yield client


def told(result: types.CallToolResult) -> str:
    (text, *_) = result.content
    assert isinstance(text, types.TextContent)
    return text.text


async def called(client: Client | ClientSession, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error and result.structured_content, result
    return result.structured_content


async def stored(client: Client | ClientSession, name: str, *texts: str) -> dict[str, Any]:
    """The receipt for some messages."""
    messages = [{"text": text} for text in texts]
    return await called(client, "ingest", conversation_id=name, messages=messages)


@pytest.mark.parametrize("transport", ["streamable", "sse", "stdio"])
@pytest.mark.parametrize(
    ("version", "agreed"),
    [
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("legacy", "2025-11-25"),
        (MODERN, MODERN),
        ("auto", MODERN),
    ],
)
async def test_a_client_of_each_revision_is_served(
    connect: Connect, transport: str, version: str, agreed: str
) -> None:
    name = f"{transport}/{version}"
    async with speaking(connect(), version) as client:
        assert client.protocol_version == agreed
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        assert (await stored(client, name, "The dodo is in the attic."))["added"] == 1
        found = await called(client, "search", query="dodo attic", conversation_id=name)
        (hit,) = found["results"]
        assert "> The dodo is in the attic." in (await called(client, "fetch", id=hit["id"]))["text"]
        answer = await called(client, "ask", question="Where is the dodo?", conversation_id=name)
        assert [each["quote"] for each in answer["citations"]] == ["The dodo is in the attic."]
        (listed,) = (await called(client, "list_conversations", title=name))["conversations"]
        assert listed["conversation_id"] == name
        (resource,) = (await client.read_resource(hit["url"])).contents
        assert isinstance(resource, types.TextResourceContents)
        assert "> The dodo is in the attic." in resource.text
        assert name in {each.name for each in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        assert {each.name for each in templates} == {"conversation", "message", "job"}
        prompts = (await client.list_prompts()).prompts
        assert {each.name for each in prompts} == {"recall", "continue_conversation"}
        (message,) = (await client.get_prompt("recall", {"topic": "dodos"})).messages
        assert "dodos" in message.content.text
        completed = await client.complete(CONTINUE, {"name": "conversation_id", "value": name})
        assert completed.completion.values == [name]
        forgotten = await called(client, "forget", conversation_ids=[name], dry_run=False)
        assert forgotten["messages"] == 1
        refused = await client.call_tool("fetch", {"id": name})
        assert refused.is_error and f"No conversation has the id '{name}'." in told(refused)
        with pytest.raises(MCPError) as caught:
            await client.read_resource(hit["url"])
        assert caught.value.error.code == types.INVALID_PARAMS


@pytest.mark.parametrize("era", ERAS)
async def test_two_clients_of_stdio_share_a_resident_and_find_what_the_other_stored(
    settled: Household, era: str
) -> None:
    async with Client(pipe(settled), mode=era) as one, Client(pipe(settled), mode="auto") as other:
        await stored(one, f"by-one/{era}", "The key is under the flowerpot.")
        found = await other.call_tool("search", {"query": "flowerpot", "conversation_id": f"by-one/{era}"})
        assert "> The key is under the flowerpot." in told(found)
        assert settled.residents() == [settled.resident()]


@pytest.mark.parametrize("transport", ["streamable", "sse", "stdio"])
async def test_of_a_call_that_is_held_up_clients_of_both_eras_go_on_hearing(
    connect: Connect, shared_url: str, transport: str
) -> None:
    owner, heard = await asyncpg.connect(shared_url), [Heard() for _ in ERAS]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(connect(), era)) for era in ERAS]
        async with withheld(owner):
            calls = [
                client.call_tool("ingest", NOTE, progress_callback=each)
                for client, each in zip(clients, heard, strict=True)
            ]
            results = asyncio.gather(*calls)
            await asyncio.gather(*(each.more() for each in heard))
        assert not any(result.is_error for result in await results)
    assert all(each.grew() for each in heard)
    await owner.close()


async def test_a_resident_killed_in_the_middle_of_calls_loses_nothing(
    household: Household, owner: asyncpg.Connection
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(pipe(household), era)) for era in ERAS]
        for era, client in zip(ERAS, clients, strict=True):
            await stored(client, era, "Where to?")
        first = household.resident()
        async with withheld(owner) as writers:
            calls = [
                stored(client, name, "Where to?", "Lisbon.")
                for name, client in zip(ERAS, clients, strict=True)
            ]
            receipts = asyncio.gather(*calls)
            await writers(len(ERAS))
            os.kill(first, signal.SIGKILL)
            await writers(2 * len(ERAS))
        assert [(each["added"], each["unchanged"]) for each in await receipts] == [(1, 1)] * len(ERAS)
        assert household.resident() != first
    for era in ERAS:
        assert await inspection.texts(owner, era) == ["Where to?", "Lisbon."]


async def test_told_to_stop_the_server_finishes_the_calls_in_flight(
    database_url: str, owner: asyncpg.Connection
) -> None:
    with Serving(MCP_RAG_DATABASE_URL=database_url) as server:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(client_of(server.connect(transport), era))
                for transport in ("streamable", "sse")
                for era in ERAS
            ]
            async with withheld(owner) as writers:
                receipts = asyncio.gather(
                    *(stored(each, f"{n}", "Lisbon.") for n, each in enumerate(clients))
                )
                await writers(len(clients))
                server.process.terminate()
                await asyncio.to_thread(homes.eventually, lambda: not server.is_listening())
                # What would cut them short looks twice a second whether it should.
                assert not (await asyncio.wait([receipts], timeout=1.5))[0]
            assert [each["added"] for each in await receipts] == [1] * len(clients)
        assert await server.stopped() == (0, b"")
    for n in range(len(clients)):
        assert await inspection.texts(owner, f"{n}") == ["Lisbon."]


async def test_neither_listing_nor_stopping_waits_for_a_database_that_is_mute() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://postgres@127.0.0.1:{mute.getsockname()[1]}/nothing?sslmode=disable"
        with Serving(MCP_RAG_DATABASE_URL=url) as server:
            for era in ERAS:
                async with Client(server.url("mcp"), mode=era, read_timeout_seconds=SECONDS) as client:
                    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
                    assert (await client.list_prompts()).prompts
            server.process.terminate()
            assert await server.stopped() == (0, b"")


@pytest.mark.parametrize("transport", ["streamable", "stdio"])
async def test_without_a_database_each_call_says_so_and_the_server_lives(stranded: Connect) -> None:
    for era in ERAS:
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
                with pytest.raises(MCPError, match="cannot be reached") as caught:
                    await refused
                assert caught.value.error.code == types.INTERNAL_ERROR


def test_an_address_that_others_can_reach_is_refused_with_the_reason() -> None:
    command = [*MCP_RAG, "serve", "--host", "0.0.0.0", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "0.0.0.0, which others can reach, and nobody has a token yet" in done.stderr
    assert "mcp-rag token create" in done.stderr


@pytest.mark.parametrize("host", ["", "::", "192.0.2.1", "memory.example.com", "127.0.0.1.example.com"])
async def test_only_an_address_of_this_machine_alone_is_served_while_nobody_has_a_token(
    host: str, database: Database, database_url: str
) -> None:
    settings = Settings(host=host, database_url=SecretStr(database_url))
    with pytest.raises(InvalidSettings, match="nobody has a token yet"):
        await require_identification(settings)
    await Identities(database).create_token("default", "someone", ["read"], None)
    await require_identification(settings)


async def test_an_address_that_others_can_reach_is_served_before_its_database_and_only_with_a_token() -> None:
    nowhere = SecretStr("postgresql://127.0.0.1:1/none")
    await require_identification(Settings(host="0.0.0.0", database_url=nowhere))
    async with running(None, None, host="0.0.0.0") as url, httpx2.AsyncClient(base_url=url) as client:
        asked = {"/mcp": {}, "/search": {"query": "walrus"}}
        assert {(await client.post(path, json=body)).status_code for path, body in asked.items()} == {401}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
async def test_an_address_of_this_machine_alone_is_served_without_asking_anybody(host: str) -> None:
    nowhere = SecretStr("postgresql://127.0.0.1:1/none")
    await require_identification(Settings(host=host, database_url=nowhere))


@pytest.mark.parametrize("path", ["mcp", "sse", SESSION])
def test_a_page_of_another_site_is_refused(serving: Serving, http: httpx2.Client, path: str) -> None:
    method = "GET" if path == "sse" else "POST"
    for header, code in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)):
        assert http.request(method, serving.url(path), headers=header | CLOSE).status_code == code


@pytest.mark.parametrize("path", ["mcp", SESSION])
@pytest.mark.parametrize("headers", [{}, {"MCP-Protocol-Version": MODERN}])
def test_a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not(
    serving: Serving, http: httpx2.Client, path: str, headers: dict[str, str]
) -> None:
    for body in (b" " * 1_100_000, (b" " * 100_000 for _ in range(11))):
        assert http.post(serving.url(path), headers=headers, content=body).status_code == 413
    below = http.post(serving.url(path), headers=headers, content=b"[" * 1_000_000).status_code
    assert 400 <= below < 500 and below != 413


async def test_a_message_nearly_as_large_as_allowed_is_stored(serving: Serving) -> None:
    texts = [f"Entry {number}: {'walrus ' * 1_000}" for number in range(100)]
    async with Client(serving.url("mcp"), read_timeout_seconds=SECONDS) as client:
        assert (await stored(client, "large", *texts))["added"] == len(texts)
