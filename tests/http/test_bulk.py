"""Many conversations in one `POST /ingest`, one on each line."""

import gzip
import json
from typing import Any

import httpx2
import pytest

from mcp_rag.models import Address
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from tests.http.running import token
from tests.http.wire import calling

LINES = {"Content-Type": "application/x-ndjson"}


def line(name: str, text: str = "Hello.") -> bytes:
    return json.dumps({"conversation_id": name, "content": text}).encode() + b"\n"


async def sent(http: httpx2.AsyncClient, body: bytes, **headers: str) -> list[dict[str, Any]]:
    """What each line was answered."""
    response = await http.post("/ingest", content=body, headers=LINES | headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(told) for told in response.text.splitlines()]


async def test_each_line_is_stored_and_answered_with_its_receipt_in_order(
    http: httpx2.AsyncClient, rag: Rag
) -> None:
    receipts = await sent(http, b"".join(line(f"talk {n}") for n in range(20)))
    assert [receipt["conversation_id"] for receipt in receipts] == [f"talk {n}" for n in range(20)]
    assert {receipt["added"] for receipt in receipts} == {1}
    assert (await rag.status()).conversations == 20
    again = await sent(http, b"".join(line(f"talk {n}") for n in range(20)))
    assert {(receipt["added"], receipt["unchanged"]) for receipt in again} == {(0, 1)}


async def test_a_line_that_cannot_be_used_is_told_so_and_the_rest_are_stored(
    http: httpx2.AsyncClient, rag: Rag
) -> None:
    bad = [
        b"nonsense\n",
        b'{"content": "nobody\'s"}\n',
        b'{"conversation_id": "x", "content": "half \\ud83d"}\n',
        b'{"conversation_id": "x", "content": "a\\u0000b"}\n',
        b'{"conversation_id": "x", "content": "\xff"}\n',
        b"[" * 100_000 + b"\n",
        b"null\n",
        line("long", "x" * 2**20),
        line(" "),
    ]
    body = b"\r\n".join([line("first"), b"  \n", *bad, line("last").rstrip()])
    first, *problems, last = await sent(http, body)
    assert (first["conversation_id"], last["conversation_id"]) == ("first", "last")
    assert len(problems) == len(bad)
    assert {problem["status"] for problem in problems} == {400, 413}
    assert [problem["type"] for problem in problems if problem["status"] == 413] == ["urn:mcp-rag:TooLarge"]
    assert all(problem["detail"].startswith("Line ") and problem["remedy"] for problem in problems)
    assert {c.conversation_id for c in (await rag.list_conversations()).conversations} == {"first", "last"}


async def test_the_first_receipt_comes_before_the_last_line_is_sent(url: str, rag: Rag) -> None:
    async with calling(url, "/ingest", Content_Type="application/x-ndjson") as wire:
        for n in range(3):
            await wire.send(line(f"talk {n}"))
            if n == 0:
                assert (await wire.head())[0] == 200
            assert json.loads(await wire.chunk())["conversation_id"] == f"talk {n}"
            assert (await rag.fetch(Address(conversation_id=f"talk {n}"))).messages
        await wire.end()
        assert await wire.chunk() == b""


async def test_more_than_the_limit_of_a_body_is_read_where_no_line_is_longer(
    http: httpx2.AsyncClient, rag: Rag
) -> None:
    text = "walrus " * 40_000
    receipts = await sent(http, b"".join(line(f"talk {n}", text) for n in range(5)))
    assert [receipt["added"] for receipt in receipts] == [1] * 5


async def test_lines_may_come_and_receipts_go_compressed(url: str, http: httpx2.AsyncClient) -> None:
    packed = gzip.compress(line("one")) + gzip.compress(line("two"))
    receipts = await sent(http, packed, **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
    assert [receipt["conversation_id"] for receipt in receipts] == ["one", "two"]
    cut = await sent(http, gzip.compress(line("three") * 9 + line("4"))[:-9], **{"Content-Encoding": "gzip"})
    assert cut[0]["conversation_id"] == "three"
    assert cut[-1]["type"] == "urn:mcp-rag:InvalidInput"


async def test_lines_after_the_database_has_gone_are_told_so(url: str, rag: Rag, database: Database) -> None:
    async with calling(url, "/ingest", Content_Type="application/x-ndjson") as wire:
        await wire.send(line("before"))
        assert (await wire.head())[0] == 200
        assert json.loads(await wire.chunk())["added"] == 1
        await database.close()
        for n in range(3):
            await wire.send(line(f"after {n}"))
            problem = json.loads(await wire.chunk())
            assert (problem["status"], problem["detail"].split(":")[0]) == (503, f"Line {n + 2}")
        await wire.end()
        assert await wire.chunk() == b""


async def test_no_line_a_key_and_no_scope_are_problems(http: httpx2.AsyncClient, database: Database) -> None:
    empty = await http.post("/ingest", content=b"\n", headers=LINES)
    assert (empty.status_code, empty.json()["detail"]) == (400, "There is no line.")
    key = await http.post("/ingest", content=line("x"), headers=LINES | {"Idempotency-Key": "1"})
    assert (key.status_code, key.json()["type"]) == (400, "urn:mcp-rag:InvalidInput")
    reader = await token(database, "default", "read")
    refused = await http.post("/ingest", content=line("x"), headers=LINES | reader)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:mcp-rag:NotAllowed")


@pytest.mark.parametrize("body", [b"nonsense", gzip.compress(line("x"))[:-4]], ids=["nonsense", "cut"])
async def test_lines_that_are_not_the_gzip_they_say_are_refused(
    http: httpx2.AsyncClient, body: bytes
) -> None:
    response = await http.post("/ingest", content=body, headers=LINES | {"Content-Encoding": "gzip"})
    told = response.json() if response.status_code == 400 else json.loads(response.text.splitlines()[-1])
    assert told["type"] == "urn:mcp-rag:InvalidInput"
    assert "gzip" in told["detail"]
