"""What a client that wants a log is told of its calls, and that nobody is told who did not ask."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from mcp import types
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from mcp_rag.capacity import Capacity
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests.locks import withheld
from tests.resident.household import SECONDS, Household
from tests.serve_process import Serving, pipe

ERAS = ("legacy", "2026-07-28")
each_era = pytest.mark.parametrize("era", ERAS)
Line = tuple[str, str | None, Any]


@asynccontextmanager
async def hearing(
    server: Any, era: str, level: types.LoggingLevel | None
) -> AsyncIterator[tuple[Client, list[Line]]]:
    """A client that wants the log from a level on, as clients of its era do; and what it has heard."""
    heard: list[Line] = []

    async def told(line: types.LoggingMessageNotificationParams) -> None:
        heard.append((line.level, line.logger, line.data))

    modern = {"log_level": level} if era != "legacy" else {}
    client = Client(server, mode=era, logging_callback=told, read_timeout_seconds=SECONDS, **modern)
    async with client:
        if era == "legacy" and level is not None:
            await set_level(client, level)
        yield client, heard


async def set_level(client: Client, level: Any) -> None:
    params = types.SetLevelRequestParams.model_construct(level=level)
    await client.session.send_request(types.SetLevelRequest(params=params), types.EmptyResult)


async def stored(client: Client, *texts: str) -> None:
    receipt = await client.call_tool(
        "ingest", {"conversation_id": "trip", "messages": [{"text": text} for text in texts]}
    )
    assert not receipt.is_error


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_log_is_promised(mcp_server: MCPServer[Any], mode: str) -> None:
    async with Client(mcp_server, mode=mode) as client:
        assert client.server_capabilities.logging is not None


@each_era
async def test_a_client_hears_what_each_of_its_calls_did(
    mcp_server: MCPServer[Any], rag: Rag, era: str
) -> None:
    async with hearing(mcp_server, era, "info") as (client, heard):
        await stored(client, "The walrus is in Oslo.", "It leaves on Monday.")
        await rag.vectors.drain()
        await client.call_tool("search", {"query": "walrus"})
        await client.call_tool("ask", {"question": "Where is the walrus?"})
        await client.call_tool("ask", {"question": "Who painted the ceiling?"})
        await client.call_tool("forget", {"conversation_ids": ["trip"], "dry_run": False})
    levels, loggers, texts = zip(*heard, strict=True)
    assert set(levels) == {"info"}
    assert loggers == ("ingest", "search", "ask", "ask", "forget")
    assert texts[0] == "conversation://trip: 2 added, 0 updated, 0 unchanged, 0 skipped."
    assert texts[1].endswith("hits, confidence high, hybrid.")
    assert texts[2] == "answered, 1 citations; no model wrote."
    assert texts[3] == "not in the store; no model wrote."
    assert texts[4].startswith("Removed for good: 2 messages")


@each_era
async def test_a_call_is_told_of_with_how_long_it_took_and_before_its_result(
    mcp_server: MCPServer[Any], era: str
) -> None:
    async with hearing(mcp_server, era, "debug") as (client, heard):
        await client.call_tool("list_conversations", {})
        ((level, logger, text),) = heard
    assert (level, logger) == ("debug", "list_conversations")
    assert text.startswith("ok after 0.") and text.endswith(" s")


@each_era
async def test_who_asks_for_no_log_hears_nothing(mcp_server: MCPServer[Any], era: str) -> None:
    async with hearing(mcp_server, era, None) as (client, heard):
        await stored(client, "a", "")
        await client.call_tool("fetch", {"id": "no such"})
    assert heard == []


@each_era
async def test_a_client_hears_nothing_below_its_level(mcp_server: MCPServer[Any], era: str) -> None:
    async with hearing(mcp_server, era, "warning") as (client, heard):
        await stored(client, "a", "")
        await client.call_tool("fetch", {"id": "no such"})
        await client.call_tool("search", {"query": "a", "color": "blue"})
        await client.call_tool("search", {"query": "a", "limit": 1_000})
    assert [line[:2] for line in heard] == [
        ("warning", "ingest"), ("warning", "fetch"), ("warning", "search"), ("warning", "search"),
    ]  # fmt: skip
    skipped, unknown, argument, limit = (text for _, _, text in heard)
    assert skipped == "Message 1 is empty."
    assert "no such" in unknown and "color" in argument and "limit" in limit


@each_era
async def test_search_without_meaning_is_a_warning(lexical: Rag, era: str) -> None:
    async def current() -> Rag:
        return lexical

    async with hearing(create_server(current), era, "warning") as (client, heard):
        found = await client.call_tool("search", {"query": "the"})
    assert heard == [("warning", "search", found.structured_content["notice"])]


@each_era
async def test_a_call_that_is_turned_away_is_an_error(rag: Rag, owner: asyncpg.Connection, era: str) -> None:
    async def current() -> Rag:
        return rag

    server = create_server(current, Capacity(at_once=1, waiting=0))
    async with hearing(server, era, "error") as (client, heard):
        async with withheld(owner) as writers:
            held = asyncio.create_task(stored(client, "a"))
            await writers(1)
            turned_away = await client.call_tool("search", {"query": "a"})
        await held
    assert turned_away.is_error
    assert heard == [("error", "search", turned_away.content[0].text)]


@each_era
async def test_no_question_and_no_passage_stands_in_the_log(
    mcp_server: MCPServer[Any], rag: Rag, era: str
) -> None:
    async with hearing(mcp_server, era, "debug") as (client, heard):
        await stored(client, "The walrus is in Oslo.")
        await rag.vectors.drain()
        for tool, argument in (("search", "query"), ("ask", "question")):
            await client.call_tool(tool, {argument: "Where is the walrus in Oslo?"})
        await client.call_tool("fetch", {"id": "trip"})
    assert len(heard) == 7
    assert not [text for _, _, text in heard if "walrus" in text.lower() or "oslo" in text.lower()]


async def test_a_level_holds_until_the_session_says_another(mcp_server: MCPServer[Any]) -> None:
    async with hearing(mcp_server, "legacy", "debug") as (client, heard):
        await client.call_tool("list_conversations", {})
        await set_level(client, "error")
        await client.call_tool("list_conversations", {})
        with pytest.raises(MCPError) as refused:
            await set_level(client, "chatty")
        await client.call_tool("list_conversations", {})
    assert refused.value.error.code == types.INVALID_PARAMS
    assert len(heard) == 1


async def test_since_2026_07_28_a_call_is_told_of_as_that_call_wants_it(mcp_server: MCPServer[Any]) -> None:
    async with hearing(mcp_server, "2026-07-28", None) as (client, heard):
        await client.call_tool("list_conversations", {})
        await client.call_tool("list_conversations", {}, meta={types.LOG_LEVEL_META_KEY: "debug"})
        await client.call_tool("list_conversations", {})
        with pytest.raises(MCPError):
            await set_level(client, "debug")
    assert len(heard) == 1


async def test_a_level_that_there_is_not_disturbs_no_call(mcp_server: MCPServer[Any]) -> None:
    async with hearing(mcp_server, "legacy", None) as (client, heard):
        for wrong in ("chatty", 7, ["debug"]):
            called = await client.call_tool("list_conversations", {}, meta={types.LOG_LEVEL_META_KEY: wrong})
            assert not called.is_error
    assert heard == []


# Over each transport


@each_era
@pytest.mark.parametrize("transport", ["sse", "streamable-http"])
async def test_each_session_hears_its_own_calls_at_its_own_level(
    serving: Serving, transport: str, era: str
) -> None:
    async with (
        hearing(serving.connect(transport), era, "debug") as (curious, all_heard),
        hearing(serving.connect(transport), era, "error") as (quiet, errors),
        hearing(serving.connect(transport), era, None) as (deaf, nothing),
    ):
        for client in (curious, quiet, deaf):
            await client.call_tool("list_conversations", {})
    assert [logger for _, logger, _ in all_heard] == ["list_conversations"]
    assert errors == nothing == []


@each_era
async def test_over_stdio_a_level_outlives_the_process_that_was_told_of_it(
    settled: Household, era: str
) -> None:
    async with hearing(pipe(settled), era, "debug") as (client, heard):
        await client.call_tool("list_conversations", {})
        first = settled.resident()
        os.kill(first, signal.SIGKILL)
        await client.call_tool("list_conversations", {})
        assert settled.resident() != first
    assert [logger for _, logger, _ in heard] == ["list_conversations"] * 2
