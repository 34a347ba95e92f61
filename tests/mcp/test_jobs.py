"""What is left of a large ingest: named by its receipt, read as a resource, by a tool and over REST."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult

from mcp_rag.models import Failure, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import MOST_TRIES, Store
from mcp_rag.rag import Rag
from tests.conftest import Borrowed, Door
from tests.http.running import caller, running, token

each_era = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
MANY = 51
NAME = "team/diary ünï"
MESSAGES = [{"text": f"Day {n} on the glacier."} for n in range(MANY)]


def named(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return urlsafe_b64encode(raw).decode().rstrip("=")


NO_JOBS = [
    named("nobody"),
    named(""),
    named(b"\xff\xfe"),
    named("a\0b"),
    named("conversation://x"),
    named("x" * 5_000),
    f"{named(NAME)}==",
    f"{named(NAME)}=",
    "not base64!",
    "a",
]


@pytest.fixture
async def job(door: Door) -> str:
    """Of an ingest whose passages all wait."""
    return str((await door.result("ingest", conversation_id=NAME, messages=MESSAGES))["job"])


async def read(client: Client, uri: str) -> dict[str, Any]:
    (content,) = (await client.read_resource(uri)).contents
    assert content.mime_type == "application/json"
    return dict(json.loads(content.text))


def state(reply: CallToolResult | dict[str, Any]) -> tuple[object, ...]:
    counts = reply if isinstance(reply, dict) else reply.structured_content["metadata"]
    return tuple(counts[name] for name in ("state", "passages", "embedded", "waiting", "set_aside"))


@each_era
async def test_a_large_ingest_names_a_job_that_says_what_is_left_until_nothing_is(
    mcp_server: MCPServer[Any], rag: Rag, era: str
) -> None:
    async with Client(mcp_server, mode=era) as client:
        stored = await client.call_tool("ingest", {"conversation_id": NAME, "messages": MESSAGES})
        job = stored.structured_content["job"]
        assert stored.content[0].text.splitlines()[-1] == (
            f"{MANY} passages are not found by meaning yet: `fetch` {job} to see."
        )
        fetched = await client.call_tool("fetch", {"uri": job})
        assert state(fetched) == state(await read(client, job)) == ("running", MANY, 0, MANY, 0)
        assert f"running: 0 of {MANY} passages are found by meaning, {MANY} wait." in fetched.content[0].text
        await rag.vectors.drain()
        fetched = await client.call_tool("fetch", {"uri": job})
        assert state(fetched) == state(await read(client, job)) == ("done", MANY, MANY, 0, 0)
        assert "nothing is left to do." in fetched.content[0].text


async def test_a_small_ingest_names_none(door: Door) -> None:
    few = await door.call("ingest", conversation_id=NAME, messages=MESSAGES[:-1])
    assert few.structured_content["job"] == ""
    assert len(few.content[0].text.splitlines()) == 1


async def test_another_server_that_has_no_model_reads_the_same_over_rest(
    rag: Rag, job: str, database_url: str, embedder: Embedder
) -> None:
    await rag.vectors.drain()
    other = Database(url=database_url)
    await other.open()
    async with running(Rag(Store(other), Borrowed(embedder)), other) as url, caller(url) as http:
        answer = await http.get(f"/jobs/{job.rpartition('/')[2]}")
        assert (answer.status_code, state(answer.json())) == (200, ("done", MANY, MANY, 0, 0))
        assert (answer.json()["uri"], answer.json()["conversation_id"]) == (job, NAME)
        for wrong in filter(None, NO_JOBS):
            refused = await http.get(f"/jobs/{wrong}")
            assert (refused.status_code, refused.json()["type"]) == (404, "urn:mcp-rag:UnknownJob")
    await other.close()


async def test_a_job_whose_rest_could_not_be_embedded_has_failed(
    rag: Rag, job: str, door: Door, store: Store, owner: asyncpg.Connection
) -> None:
    first = await owner.fetchval("SELECT min(passage_key) FROM passage")
    assert rag.vectors.model_key is not None
    for _ in range(MOST_TRIES):
        async with store.transaction(1) as tx:
            await tx.note_failures(rag.vectors.model_key, [Failure(first, "no")])
    assert state(await door.call("fetch", uri=job)) == ("running", MANY, 0, MANY - 1, 1)
    await rag.vectors.drain()
    done = await door.call("fetch", uri=job)
    assert state(done) == ("failed", MANY, MANY - 1, 0, 1)
    assert done.content[0].text.endswith("nothing is left to do, 1 could not be embedded.")


@each_era
async def test_what_is_no_job_is_not_found(mcp_server: MCPServer[Any], job: str, era: str) -> None:
    async with Client(mcp_server, mode=era) as client:
        for wrong in NO_JOBS:
            reply = await client.call_tool("fetch", {"uri": f"rag://jobs/{wrong}"})
            assert reply.is_error and reply.content[0].text.startswith("No ingest has this job.")
            with pytest.raises(MCPError) as caught:
                await client.read_resource(f"rag://jobs/{wrong}")
            assert caught.value.error.code == INVALID_PARAMS


async def test_a_job_is_gone_with_its_conversation_and_is_nobodys_elses(
    rag: Rag, job: str, door: Door, database: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute("INSERT INTO tenant (tenant_id, name, tombstone_key) VALUES (2, 'second', 'key')")
    path = f"/jobs/{job.rpartition('/')[2]}"
    headers = [await token(database, tenant) for tenant in ("default", "second")]
    async with running(rag, database) as url, httpx2.AsyncClient(base_url=url, timeout=60) as http:
        answers = [(await http.get(path, headers=each)).status_code for each in headers]
        assert answers == [200, 404]
        await rag.forget(conversation_ids=[NAME], dry_run=False)
        assert (await http.get(path, headers=headers[0])).status_code == 404


async def test_a_job_counts_one_conversation(rag: Rag, job: str, door: Door) -> None:
    await rag.ingest("other", [NewMessage(text="Buy gaiters.")])
    assert state(await door.call("fetch", uri=job))[1] == MANY
