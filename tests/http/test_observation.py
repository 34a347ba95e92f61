"""Every request has an id, which its answer, its problems and its lines in the log have too."""

import asyncio
import json
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcp_rag import telemetry
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from tests.cli.command import PATIENCE, Command, stopped
from tests.conftest import eventually
from tests.free_ports import free_port
from tests.http.running import caller, running, token

MADE = re.compile(r"[0-9a-f]{32}")
SECRET = "the walrus password is tusk"


@pytest.mark.parametrize("given", ["a", "1-67891233-abcdef", "Root=1-678:9/+@_.", "x" * 128])
async def test_an_id_that_came_with_a_request_is_kept(rag: Rag, database: Database, given: str) -> None:
    async with running(rag, database) as url, caller(url) as client:
        answer = await client.get("/version", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a{b", "<script>", "a;b", "a,b"])
async def test_an_id_that_could_do_harm_is_replaced(rag: Rag, database: Database, given: str) -> None:
    async with running(rag, database) as url, caller(url) as client:
        answer = await client.get("/version", headers={"X-Request-Id": given})
    assert MADE.fullmatch(answer.headers["x-request-id"])


async def test_requests_on_one_connection_have_ids_of_their_own(rag: Rag, database: Database) -> None:
    async with running(rag, database) as url, caller(url) as client:
        ids = [(await client.get("/version")).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/search", {"query": " "}, {}, 400),
        ("/search", {"nonsense": 1}, {}, 400),
        ("/search", {"query": "a"}, {"Authorization": "Bearer wrong"}, 401),
        ("/search", {"query": "a"}, {"Host": "evil.example"}, 421),
        ("/search", {"query": "a"}, {"Origin": "https://evil.example"}, 403),
        ("/search", {"query": "a" * 2**20}, {}, 413),
    ],
)
async def test_a_problem_names_the_request_wherever_it_was_refused(
    rag: Rag, database: Database, path: str, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    async with running(rag, database, max_message_mb=1) as url, caller(url) as client:
        answer = await client.post(path, json=body, headers={"X-Request-Id": "mine", **headers})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"


async def test_a_problem_in_a_stream_of_events_names_the_request_too() -> None:
    async with running(None, None) as url, caller(url) as client:
        headers = {"X-Request-Id": "mine", "Accept": "text/event-stream"}
        answer = await client.post("/ask", json={"question": "a"}, headers=headers)
    assert '"request_id":"mine"' in answer.text.replace(" ", "")


async def test_each_request_is_one_line_that_says_whose_it_was_and_nothing_of_what_was_in_it(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    headers = await token(database, "acme", name="importer")
    server = Command(tmp_path, MCP_RAG_DATABASE_URL=database_url, MCP_RAG_LOG_FORMAT="json")
    port = free_port()
    process = server.start("serve", "--port", str(port))

    async def answers() -> bool:
        try:
            return (await client.get("/health")).status_code == 200
        except httpx2.TransportError:
            return False

    async with caller(f"http://127.0.0.1:{port}", {**headers, "Connection": "close"}) as client:
        await eventually(answers, within=PATIENCE)
        stored = {"conversation_id": "secret-name", "content": SECRET}
        for path, body in (("/ingest", stored), ("/search", {"query": SECRET})):
            answer = await client.post(path, json=body, headers={"X-Request-Id": f"of{path}"})
            assert answer.status_code == 200
        assert (await client.get("/conversations/secret-name?limit=1")).status_code == 200
        refused = {"conversation_id": "other-secret", "content": SECRET, "kind": "poem"}
        assert (await client.post("/ingest", json=refused)).status_code == 400
        assert (await client.post("/search?token=tusk", headers={"Authorization": "no"})).status_code == 401
    said = stopped(process, signal.SIGTERM).err
    lines = [json.loads(line) for line in said.splitlines()]
    seen = [line for line in lines if line["event"] == "request" and line["route"] != "/health"]
    assert [(line["method"], line["route"], line["status"]) for line in seen] == [
        ("POST", "/ingest", 200),
        ("POST", "/search", 200),
        ("GET", "/conversations/{id}", 200),
        ("POST", "/ingest", 400),
        ("POST", "unmatched", 401),
    ]
    assert [line["request_id"] for line in seen[:2]] == ["of/ingest", "of/search"]
    assert all(line["ms"] > 0 for line in seen)
    assert {(line["tenant_id"], line["caller"]) for line in seen[:4]} == {(2, "importer")}
    assert "caller" not in seen[4]
    (changed,) = (line for line in lines if line["event"] == "changed")
    assert (changed["action"], changed["messages"], changed["address"]) == ("ingest", 1, "127.0.0.1")
    assert (changed["tenant_id"], changed["caller"], changed["request_id"]) == (2, "importer", "of/ingest")
    assert len(changed["conversation"]) == 64
    for secret in ("walrus", "tusk", "secret-name", "other-secret", headers["Authorization"].split()[1]):
        assert secret not in said


@pytest.mark.parametrize("path", ["/ingest", "/mcp"])
async def test_a_client_that_leaves_amid_its_request_is_no_failure_of_ours(
    rag: Rag, database: Database, path: str
) -> None:
    async with running(rag, database) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 1000", "Expect: 100-continue"]
        kinds = ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
        before = counted(path)
        writer.write(("\r\n".join([*head, *kinds]) + "\r\n\r\n").encode())
        # It goes on once the server reads.
        assert b"100 Continue" in await reader.readline()
        writer.close()
        await eventually(lambda: asyncio.sleep(0, counted(path) != before))
        ((status, more),) = (counted(path) - before).items()
    assert (status, more) == ("499", 1)


def counted(route: str) -> Counter[str]:
    """How often a route was answered, by status."""
    told = telemetry.exposition()[0].decode()
    lines = re.findall(rf'http_requests_total{{method="POST",route="{route}",status="(\d+)"}} ([\d.]+)', told)
    return Counter({status: int(float(number)) for status, number in lines if float(number)})
