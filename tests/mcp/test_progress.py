"""What a client hears of a call that takes more than a second."""

import asyncio
from time import monotonic
from typing import Any

import asyncpg
import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from mcp_rag.tools.telling import EVERY
from tests.hearing import Heard

each_era = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
DIARY = [NewMessage(text="We saw a capercaillie.")]
MORE = [{"text": f"Day {n} on the glacier."} for n in range(3)]
CALLS = [
    ("ingest", {"conversation_id": "diary", "messages": MORE}, "SELECT FROM conversation FOR UPDATE"),
    ("forget", {"source": "phone", "dry_run": False}, "SELECT FROM conversation FOR UPDATE"),
    ("search", {"query": "glacier", "accurate": True}, "LOCK TABLE passage"),
    ("ask", {"question": "What did we see?"}, "LOCK TABLE passage"),
]


@pytest.fixture
async def diary(rag: Rag) -> None:
    await rag.ingest("diary", DIARY, source="phone")
    await rag.ingest("notes", DIARY, source="phone")


@each_era
@pytest.mark.parametrize(("tool", "arguments", "held"), CALLS, ids=[call[0] for call in CALLS])
async def test_of_a_call_that_is_held_up_a_client_goes_on_hearing_and_not_too_often(
    mcp_server: MCPServer[Any],
    diary: None,
    owner: asyncpg.Connection,
    era: str,
    tool: str,
    arguments: dict[str, Any],
    held: str,
) -> None:
    heard, began = Heard(), monotonic()
    async with Client(mcp_server, mode=era) as client:
        async with owner.transaction():
            await owner.execute(held)
            call = asyncio.create_task(client.call_tool(tool, arguments, progress_callback=heard))
            await heard.more()
        assert not (await call).is_error
    assert heard.grew()
    assert all(message for _, _, message in heard.words)
    steps = 2 if tool == "ask" else 0
    assert len(heard.words) - steps <= (monotonic() - began) / EVERY


@each_era
async def test_of_an_ingest_a_client_hears_how_many_messages_are_written(
    mcp_server: MCPServer[Any], diary: None, owner: asyncpg.Connection, era: str
) -> None:
    heard = Heard()
    sent = {"conversation_id": "diary", "messages": MORE}
    async with Client(mcp_server, mode=era) as client:
        async with owner.transaction():
            # The statistics are written after the messages.
            await owner.execute("LOCK TABLE term_statistic IN SHARE MODE")
            call = asyncio.create_task(client.call_tool("ingest", sent, progress_callback=heard))
            await heard.more(3)
        assert (await call).structured_content["added"] == len(MORE)
    assert heard.grew()
    progress, total, message = heard.words[-1]
    assert len(MORE) - 1 < progress <= len(MORE) == total
    assert message == "Stored 3 of 3 messages"


async def test_an_ingest_tells_its_steps_and_what_was_stored_already_is_none(rag: Rag) -> None:
    told: list[tuple[int, int]] = []
    messages = [NewMessage(text=f"Day {n} on the glacier.") for n in range(250)]
    for sent in (messages[:230], messages):
        await rag.ingest("diary", sent, progress=lambda *step: told.append(step))
    assert told == [(0, 230), (200, 230), (230, 230), (0, 20), (20, 20)]
