"""A call has a place among those that are worked on, but not while its client is asked something."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from typing import Any

import asyncpg
import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CreateMessageResult, ElicitResult, ErrorData, TextContent

from mcp_rag.capacity import Capacity
from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests.conftest import Borrowed
from tests.locks import withheld

YES = ElicitResult(action="accept", content={"forget": True})
WRITTEN = TextContent(type="text", text='In the attic. [1: "The dodo is in the attic."]')
LENT = CreateMessageResult(role="assistant", content=WRITTEN, model="lent-1")
DECLINED = ErrorData(code=-1, message="User rejected sampling request")
CALLS = {
    "person": ("forget", {"source": "phone", "dry_run": False}, YES),
    "model": ("ask", {"question": "Where is the dodo?"}, LENT),
    "model declined": ("ask", {"question": "Where is the dodo?"}, DECLINED),
}
HELD_UP = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
SEARCH = ("search", {"query": "dodo"})


@pytest.fixture
async def server(store: Store, embedder: Embedder) -> AsyncIterator[MCPServer[Any]]:
    """It works on one call at a time, and lets none wait."""
    rag = Rag(store, Borrowed(embedder), asks_the_client=True)
    await rag.vectors.ready()
    for name in ("diary", "notes"):
        await rag.ingest(name, [NewMessage(text="The dodo is in the attic.")], source="phone")

    async def current() -> Rag:
        return rag

    yield create_server(current, Capacity(at_once=1, waiting=0))
    await rag.vectors.close()


def asked(server: MCPServer[Any], era: str, does: Callable[[], Awaitable[Any]]) -> Client:
    """A client that does something when it is asked, and gives what comes of it."""

    async def answer(*_: Any) -> Any:
        return await does()

    return Client(server, mode=era, elicitation_callback=answer, sampling_callback=answer)


async def is_full(client: Client) -> bool:
    told = await client.call_tool(*SEARCH)
    return bool(told.is_error and "as many calls as it can take" in told.content[0].text)


@pytest.mark.parametrize(
    ("call", "era"),
    # A client of the newer era that declines ends its call itself.
    [*product(("person", "model"), ("legacy", "2026-07-28")), ("model declined", "legacy")],
)
async def test_while_a_client_is_asked_others_are_worked_on(
    server: MCPServer[Any], owner: asyncpg.Connection, era: str, call: str
) -> None:
    tool, arguments, says = CALLS[call]
    full: list[bool] = []

    async with Client(server, mode=era) as other:

        async def answer() -> Any:
            full.append(await is_full(other))
            return says

        async with asked(server, era, answer) as client:
            reply = await client.call_tool(tool, arguments)
        assert not reply.is_error, reply.content
        assert full == [False]
        await has_one_place(server, other, owner)


async def test_a_call_that_is_called_off_while_its_client_is_asked_leaves_one_place(
    server: MCPServer[Any], owner: asyncpg.Connection
) -> None:
    begun = asyncio.Event()

    async def think() -> Any:
        begun.set()
        await asyncio.Event().wait()

    tool, arguments, _ = CALLS["person"]
    async with Client(server, mode="legacy") as other:
        async with asked(server, "legacy", think) as client:
            call = asyncio.create_task(client.call_tool(tool, arguments))
            await begun.wait()
            call.cancel()
            await asyncio.wait({call})
        await has_one_place(server, other, owner)


async def test_who_has_answered_is_worked_on_when_it_is_their_turn(
    server: MCPServer[Any], owner: asyncpg.Connection
) -> None:
    begun, answered = asyncio.Event(), asyncio.Event()

    async def think() -> Any:
        begun.set()
        await answered.wait()
        return YES

    tool, arguments, _ = CALLS["person"]
    async with Client(server, mode="legacy") as other, asked(server, "legacy", think) as client:
        call = asyncio.create_task(client.call_tool(tool, arguments))
        await begun.wait()
        async with withheld(owner) as writers:
            held = asyncio.create_task(stored(other))
            await writers(1)
            answered.set()
            # Without its turn it would wait in the database by now, as the other does.
            for _ in range(3000):
                assert await owner.fetchval(HELD_UP) == 1
        await held
        assert not (await call).is_error


async def stored(client: Client) -> None:
    sent = {"conversation_id": "new", "content": "A dodo again."}
    assert not (await client.call_tool("ingest", sent)).is_error


async def has_one_place(server: MCPServer[Any], client: Client, owner: asyncpg.Connection) -> None:
    """Neither none, nor two."""
    async with Client(server) as another:
        async with withheld(owner) as writers:
            held = asyncio.create_task(stored(another))
            await writers(1)
            assert await is_full(client)
        await held
    assert not await is_full(client)
