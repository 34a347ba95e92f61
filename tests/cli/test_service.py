"""serve, stdio and the resident server behind it, as processes."""

import json
import re
import signal
import subprocess
from typing import Any

import httpx2
from mcp.client import Client

from mcp_rag import rendezvous
from tests.cli.command import PATIENCE, Command, stopped

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


async def test_serve_says_where_it_listens_and_answers_there(mcp_rag: Command) -> None:
    process = mcp_rag.start("serve", "--port", "0")
    url = _said_url(process)  # Nobody is refused who calls at once, and nobody else has the port by then.
    async with Client(url) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} >= {"search", "ask", "ingest"}
    refused = mcp_rag("serve", "--port", str(httpx2.URL(url).port), code=2)
    assert "MCP_RAG_PORT" in refused.err
    assert stopped(process, signal.SIGTERM).code == 0


def test_stdio_answers_through_a_resident_that_it_starts(mcp_rag: Command) -> None:
    alone = mcp_rag.with_environment(MCP_RAG_RESIDENT_LINGER="0")
    process = alone.start("stdio", "--stop-resident-on-exit")
    assert _answer(process, INITIALIZE)["result"]["serverInfo"]["name"] == "mcp-rag"
    place = rendezvous.meeting_place(alone.environment)
    assert rendezvous.resident_pid(place) is not None
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not rendezvous.is_held(place)


def _said_url(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
    assert found, line
    return found[0]


def _answer(process: "subprocess.Popen[bytes]", request: dict[str, Any]) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
