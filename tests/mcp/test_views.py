"""The views of MCP Apps, as a client meets them that can show them, and as one that cannot does not."""

import re
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.client.streamable_http import streamable_http_client
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.server.mcpserver import MCPServer
from mcp.types import TextResourceContents

from bench import tool_lint
from bench.offer import Offer
from mcp_rag.models import NewMessage
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from mcp_rag.server import create_server, offered
from tests.http.running import running, token
from tests.resident.household import Household
from tests.serve_process import Serving, pipe

VIEWS = {"search": "ui://mcp-rag/search", "ask": "ui://mcp-rag/answer"}
each_era = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
OTHER_TYPES = [None, {}, {"mimeTypes": ["text/html"]}]


def client(server: Any, era: str, settings: dict[str, Any] | None) -> Client:
    """A client that says it can show these types; without any, it knows nothing of views."""
    extensions = [advertise(EXTENSION_ID, settings)] if settings is not None else []
    return Client(server, mode=era, extensions=extensions)


def host(server: Any, era: str) -> Client:
    return client(server, era, {"mimeTypes": [APP_MIME_TYPE]})


async def bound(client: Client) -> dict[str, str]:
    """The view of each tool that has one."""
    tools = (await client.list_tools()).tools
    return {tool.name: tool.meta["ui"]["resourceUri"] for tool in tools if tool.meta}


async def listed(client: Client) -> set[str]:
    resources = (await client.list_resources()).resources
    assert all(each.mime_type == APP_MIME_TYPE for each in resources if each.uri.startswith("ui:"))
    return {each.uri for each in resources if each.uri.startswith("ui:")}


async def document(client: Client, uri: str) -> TextResourceContents:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content


@each_era
async def test_a_host_is_told_which_tool_has_which_view_and_can_read_it(
    mcp_server: MCPServer[Any], era: str
) -> None:
    async with host(mcp_server, era) as client:
        assert await bound(client) == VIEWS
        assert await listed(client) == set(VIEWS.values())
        for uri in VIEWS.values():
            content = await document(client, uri)
            assert content.mime_type == APP_MIME_TYPE
            # No domain: a host lets it reach nothing.
            assert content.meta == {"ui": {"prefersBorder": True}}


async def test_the_newer_era_says_that_there_are_views(mcp_server: MCPServer[Any]) -> None:
    """The SDK leaves extensions out of what a server can in the older; a host goes by its tools."""
    async with Client(mcp_server) as client:
        assert client.server_capabilities.extensions == {EXTENSION_ID: {}}


@each_era
@pytest.mark.parametrize("settings", OTHER_TYPES)
async def test_a_client_that_shows_no_views_hears_nothing_of_them(
    mcp_server: MCPServer[Any], rag: Rag, era: str, settings: dict[str, Any] | None
) -> None:
    await rag.ingest("trip", [NewMessage(text="Lisbon.")])
    async with client(mcp_server, era, settings) as other, host(mcp_server, era) as shows:
        assert await bound(other) == {}
        assert await listed(other) == set()
        uris = [each.uri for each in (await other.list_resources()).resources]
        assert uris == ["rag://status", "conversation://trip"]
        told = [await each.call_tool("search", {"query": "Lisbon"}) for each in (other, shows)]
        assert told[0].content == told[1].content
        assert told[0].structured_content == told[1].structured_content


@pytest.mark.parametrize("uri", VIEWS.values())
async def test_a_view_is_one_small_document_that_asks_for_nothing(
    mcp_server: MCPServer[Any], uri: str
) -> None:
    async with host(mcp_server, "auto") as client:
        html = (await document(client, uri)).text
    assert len(html.encode()) < 32_000
    assert not re.search(r"https?://|<link|<script src|<img|@import|url\(", html)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", html)
    assert html.count("</script>") == html.count("<script>")


@pytest.mark.parametrize(
    ("names", "views", "calls"),
    [
        (["search"], {"search"}, "search"),
        (["search", "fetch"], {"search"}, "search fetch"),
        (["fetch", "ingest"], set(), None),
        (["ask", "fetch"], {"ask"}, "fetch"),
    ],
)
async def test_a_view_calls_no_tool_that_is_not_offered(
    rag: Rag, names: list[str], views: set[str], calls: str | None
) -> None:
    async def current() -> Rag:
        return rag

    async with host(create_server(current, tools=offered(names, only_reads=True)), "auto") as client:
        assert (await bound(client)).keys() == views
        assert await listed(client) == {VIEWS[name] for name in views}
        for name in views:
            assert f'<meta name="tools" content="{calls}">' in (await document(client, VIEWS[name])).text


async def test_a_caller_who_may_not_search_is_told_of_no_view(rag: Rag, database: Database) -> None:
    headers = await token(database, "default", "write")
    async with (
        running(rag, database) as url,
        httpx2.AsyncClient(headers=headers) as http,
        host(streamable_http_client(f"{url}/mcp", http_client=http), "auto") as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["ingest"]
        assert await bound(client) == {}


@each_era
async def test_a_host_is_told_of_the_same_tools_in_hardly_more_tokens(
    mcp_server: MCPServer[Any], era: str
) -> None:
    async with host(mcp_server, era) as shows, client(mcp_server, era, None) as other:
        more, less = [Offer(await each.list_tools(), "") for each in (shows, other)]
    assert tool_lint.tokens(more) - tool_lint.tokens(less) <= 40
    bare = [tool.model_copy(update={"meta": None}) for tool in more.tools]
    assert bare == less.tools


@each_era
@pytest.mark.parametrize("transport", ["http", "sse", "stdio"])
async def test_views_are_there_over_every_transport(
    serving: Serving, settled: Household, transport: str, era: str
) -> None:
    def connection() -> Any:
        return pipe(settled) if transport == "stdio" else serving.connect(transport)

    async with host(connection(), era) as shows, client(connection(), era, None) as other:
        assert await bound(shows) == VIEWS
        assert await listed(shows) == set(VIEWS.values())
        assert (await document(shows, VIEWS["ask"])).mime_type == APP_MIME_TYPE
        assert await bound(other) == {}
        assert await listed(other) == set()
