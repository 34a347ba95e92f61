"""Servers that only read, and servers that offer some of the tools."""

import subprocess
import sys
from typing import Any

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from mcp_rag.errors import InvalidSettings
from mcp_rag.models import NewMessage
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from mcp_rag.server import create_server, offered
from tests.conftest import Door
from tests.http.running import caller, running, token
from tests.resident.conftest import moved_in

READS = ["search", "ask", "fetch", "list_conversations"]
NOTE = {"conversation_id": "note", "content": "The gate opens at nine."}


def door(rag: Rag, names: list[str], *, only_reads: bool = False) -> Door:
    async def current() -> Rag:
        return rag

    return Door(create_server(current, tools=offered(names, only_reads=only_reads)))


@pytest.mark.parametrize("identified", [True, False])
async def test_nothing_is_stored_or_erased_through_a_server_that_only_reads(
    rag: Rag, database: Database, identified: bool
) -> None:
    await rag.ingest("note", [NewMessage(text="The gate opens at nine.")])
    headers = await token(database) if identified else {}
    async with running(rag, database, read_only=True) as url, caller(url, headers) as client:
        lines = {
            "content": '{"conversation_id": "x", "content": "y"}',
            "headers": {"Content-Type": "application/x-ndjson"},
        }
        for refused in (
            await client.post("/ingest", json=NOTE),
            await client.post("/ingest", **lines),
            await client.delete("/conversations/note"),
        ):
            assert (refused.status_code, refused.json()["type"]) == (403, "urn:mcp-rag:ReadOnly")
            assert "www-authenticate" not in refused.headers
        assert (await client.post("/search", json={"query": "gate"})).json()["results"]
        async with httpx2.AsyncClient(headers=headers) as http:
            for transport in (
                streamable_http_client(f"{url}/mcp", http_client=http),
                sse_client(f"{url}/sse", headers),
            ):
                async with Client(transport) as mcp:
                    assert [tool.name for tool in (await mcp.list_tools()).tools] == READS
                    assert (await mcp.call_tool("ingest", NOTE)).is_error
                    assert (
                        await mcp.call_tool("forget", {"conversation_ids": ["note"], "dry_run": False})
                    ).is_error
                    assert not (await mcp.call_tool("search", {"query": "gate"})).is_error
    assert (await rag.list_conversations()).conversations[0].message_count == 1


async def test_a_tool_that_is_not_offered_is_not_listed_and_cannot_be_called(rag: Rag) -> None:
    await rag.ingest("note", [NewMessage(text="The gate opens at nine.")])
    some = door(rag, ["fetch", "search"])
    async with Client(some._server) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["search", "fetch"]
    assert "Unknown tool" in await some.refusal("list_conversations")
    assert (await some.result("search", query="gate"))["results"]


@pytest.mark.parametrize(
    ("names", "only_reads"), [(["search"], False), ([], True), (["ingest", "ask"], False)]
)
async def test_a_model_is_told_only_of_the_tools_that_it_has(
    rag: Rag, names: list[str], only_reads: bool
) -> None:
    async with Client(door(rag, names, only_reads=only_reads)._server) as client:
        has = {tool.name for tool in (await client.list_tools()).tools}
        for name in {*READS, "ingest", "forget"} - has:
            assert f"`{name}`" not in client.instructions
        for name in has - {"list_conversations"}:
            assert f"`{name}`" in client.instructions


@pytest.mark.parametrize(
    ("names", "prompts"),
    [
        ([], ["recall", "continue_conversation"]),
        (["search"], ["recall"]),
        (["fetch"], ["continue_conversation"]),
        (["ingest"], []),
    ],
)
async def test_a_prompt_that_tells_to_use_a_tool_is_offered_with_it_only(
    rag: Rag, names: list[str], prompts: list[str]
) -> None:
    async with Client(door(rag, names)._server) as client:
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == prompts
        for hidden in {"recall", "continue_conversation"} - set(prompts):
            with pytest.raises(MCPError, match=f"no prompt '{hidden}'"):
                await client.get_prompt(hidden, {})


async def test_who_may_not_read_is_offered_no_prompt(rag: Rag, database: Database) -> None:
    writes = await token(database, "default", "write")
    async with (
        running(rag, database) as url,
        httpx2.AsyncClient(headers=writes) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        assert (await client.list_prompts()).prompts == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"tools": "search,sing"}, "there is no tool 'sing'. There are: search, ask,"),
        ({"tools": "ingest", "read_only": True}, "forbids these"),
    ],
)
async def test_settings_that_leave_no_tool_or_name_none_are_refused(
    rag: Rag, database: Database, settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        async with running(rag, database, **settings):
            pass
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("options", "offered_there"),
    [
        (["--read-only"], READS),
        (["--tools", "fetch,search"], ["search", "fetch"]),
        (["--tools=ask,ingest", "--read-only"], ["ask"]),
    ],
)
async def test_a_client_of_stdio_can_be_given_less_than_another_of_the_same_store(
    rag: Rag, database_url: str, options: list[str], offered_there: list[str]
) -> None:
    await rag.ingest("note", [NewMessage(text="The gate opens at nine.")])
    with moved_in(MCP_RAG_DATABASE_URL=database_url) as home:
        less, all_of_it = (
            StdioServerParameters(
                command=sys.executable, args=["-m", "mcp_rag", "stdio", *given], env=home.environment
            )
            for given in (options, [])
        )
        async with Client(stdio_client(less)) as client, Client(stdio_client(all_of_it)) as other:
            assert [tool.name for tool in (await client.list_tools()).tools] == offered_there
            assert (
                await client.call_tool("forget", {"conversation_ids": ["note"], "dry_run": False})
            ).is_error
            assert not (await other.call_tool("ingest", {**NOTE, "conversation_id": "other"})).is_error
    listed = (await rag.list_conversations()).conversations
    assert {each.conversation_id for each in listed} == {"note", "other"}


@pytest.mark.parametrize("wrong", [["--tools"], ["--tools="], ["--tools", " ,"]])
def test_tools_without_a_name_are_misuse(wrong: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "mcp_rag", "stdio", *wrong], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--tools needs names of tools, between commas. Run `mcp-rag stdio --help`." in done.stderr
