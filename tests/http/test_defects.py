"""A defect of ours: who calls learns an id and nothing of the cause; the log has the rest, under that id."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from tests.cli.command import PATIENCE, Command, stopped
from tests.conftest import eventually
from tests.free_ports import free_port
from tests.http.running import caller

SECRET = "the walrus password is tusk"
# What no migration does, and nothing that reads a message expects.
BROKEN = "ALTER TABLE message ALTER COLUMN text TYPE text[] USING ARRAY[text]"
CAUSES = ("walrus", "tusk", "Traceback", "ValidationError", "text", "mcp_rag", "list")


@dataclass
class Failing:
    """A server whose database has a message that is no text."""

    url: str
    process: "subprocess.Popen[bytes]"

    def log(self) -> list[dict[str, Any]]:
        """All that it has said, when it has been told to stop; each line with an exception has it whole."""
        said = stopped(self.process, signal.SIGTERM).err
        assert "walrus" not in said and "tusk" not in said
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.fixture
async def failing(
    tmp_path: Path, rag: Rag, database_url: str, owner: asyncpg.Connection
) -> AsyncIterator[Failing]:
    await rag.ingest("a", [NewMessage(text=SECRET)])
    await owner.execute(BROKEN)
    server = Command(tmp_path, MCP_RAG_DATABASE_URL=database_url, MCP_RAG_LOG_FORMAT="json")
    port = free_port()
    process = server.start("serve", "--port", str(port))
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        try:
            return (await client.get("/health")).status_code == 200
        except httpx2.TransportError:
            return False

    async with caller(url) as client:
        await eventually(answers, within=PATIENCE)
    yield Failing(url, process)
    process.kill()
    process.communicate()


async def test_a_defect_is_told_by_its_id_alone_and_is_in_the_log_with_where_it_came_from(
    failing: Failing,
) -> None:
    async with caller(failing.url, {"X-Request-Id": "mine", "Connection": "close"}) as client:
        answer = await client.get("/conversations/a")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"
    assert not [cause for cause in CAUSES if cause in answer.json()["detail"] + answer.json()["remedy"]]
    assert set(answer.json()) == {"type", "title", "status", "detail", "remedy", "request_id"}
    log = await asyncio.to_thread(failing.log)
    (told,) = [line for line in log if "exception" in line]
    assert told["request_id"] == "mine"
    assert "Traceback" in told["exception"] and "ValidationError" in told["exception"]
    assert "mcp_rag/postgres/store.py" in told["exception"]
    (request,) = [line for line in log if line.get("route") == "/conversations/{id}"]
    assert (request["status"], request["request_id"]) == (500, "mine")


async def test_a_model_reads_of_a_defect_only_that_the_tool_failed(failing: Failing) -> None:
    logged: list[types.LoggingMessageNotificationParams] = []

    async def hear(line: types.LoggingMessageNotificationParams) -> None:
        logged.append(line)

    server = streamable_http_client(f"{failing.url}/mcp")
    async with Client(server, mode="auto", log_level="debug", logging_callback=hear) as client:
        answer = await client.call_tool("fetch", {"id": "conversation://a"})
    assert answer.is_error
    (told,) = answer.content
    assert [(line.level, line.data) for line in logged] == [("error", told.text)]
    assert told.text.startswith("The server failed. Other arguments do not help.")
    named = re.search(r"request_id ([0-9a-f]{32})\.$", told.text)
    assert named is not None
    log = await asyncio.to_thread(failing.log)
    (told,) = [line for line in log if "exception" in line]
    assert "mcp_rag/postgres/store.py" in told["exception"]
    assert told["request_id"] == named[1]
    assert named[1] in {line["request_id"] for line in log if line.get("route") == "/mcp"}
