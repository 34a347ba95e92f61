"""Who is let in, and to what: tokens over REST, both MCP transports, and the command line."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from mcp_rag import tokens
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from mcp_rag.rag import Rag
from tests.http.running import caller, running, token
from tests.resident.household import ROOT

MCP_RAG = [sys.executable, "-m", "mcp_rag"]
ARGUMENTS = {"search": {"query": "gate"}, "ingest": {"conversation_id": "x", "content": "y"}}
UNKNOWN = "mcprag_" + "0" * 50 + "3OiXx0"
"""Of the right form, and nobody's."""
READS = {"search", "ask", "fetch", "list_conversations"}


def cli(database_url: str, *arguments: str, code: int = 0) -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MCP_RAG_DATABASE_URL": database_url}
    done = subprocess.run([*MCP_RAG, *arguments, "--json"], env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


def test_a_token_can_be_told_from_chance_and_says_its_name_and_nothing_else() -> None:
    one, other = tokens.mint(), tokens.mint()
    assert one.text != other.text
    assert tokens.parse(one.text) == one
    assert one.is_of(one.digest) and not other.is_of(one.digest)
    assert one.public_id in one.text and len(one.public_id) == 10
    changed = one.text[:-1] + ("0" if one.text[-1] != "0" else "1")
    for wrong in (changed, one.text[:-1], one.text + "0", one.text.upper(), "mcprag_", "", "ghp_x"):
        assert tokens.parse(wrong) is None


async def test_once_there_is_a_token_nobody_comes_in_without_one(rag: Rag, database: Database) -> None:
    async with running(rag, database) as url, caller(url) as client:
        assert (await client.get("/conversations")).status_code == 200
        mine = await token(database)
        refused = await client.get("/conversations")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "mcp-rag token create" in refused.json()["remedy"]
        for path in ("/mcp", "/sse", "/messages/?session_id=0"):
            assert (await client.post(path, json={})).status_code == 401
        assert (await client.get("/conversations", headers=mine)).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer mcprag_nonsense", "Bearer", "Basic dXNlcjpwYXNz", f"Bearer {UNKNOWN}", "x"]
)
async def test_what_is_no_token_of_ours_lets_nobody_in(rag: Rag, database: Database, header: str) -> None:
    await token(database)
    async with running(rag, database) as url, caller(url, {"Authorization": header}) as client:
        assert (await client.get("/conversations")).status_code == 401


async def test_a_token_that_is_revoked_or_expired_lets_nobody_in(
    rag: Rag, database: Database, owner: asyncpg.Connection
) -> None:
    identities = Identities(database)
    first, second = [await token(database, name="ci") for _ in range(2)]
    async with running(rag, database) as url, caller(url) as client:

        async def status(headers: dict[str, str]) -> int:
            return (await client.get("/conversations", headers=headers)).status_code

        assert [await status(first), await status(second)] == [200, 200]
        await identities.revoke("default", (await identities.tokens("default"))[0].public_id)
        assert [await status(first), await status(second)] == [401, 200]
        await owner.execute("UPDATE api_token SET expires_at = now() - interval '1 second'")
        assert await status(second) == 401


async def test_a_caller_may_do_what_its_scopes_say_over_rest(rag: Rag, database: Database) -> None:
    reader, writer, eraser = [await token(database, "default", s) for s in ("read", "write", "erase")]
    note = {"conversation_id": "note", "content": "The gate is green."}
    async with running(rag, database) as url, caller(url) as client:

        async def tried(headers: dict[str, str]) -> list[int]:
            calls = [
                client.post("/ingest", json=note, headers=headers),
                client.post("/search", json={"query": "gate"}, headers=headers),
                client.get("/conversations/note", headers=headers),
                client.delete("/conversations/note", headers=headers),
            ]
            return [(await call).status_code for call in calls]

        assert await tried(writer) == [200, 403, 403, 403]
        assert await tried(reader) == [403, 200, 200, 403]
        assert await tried(eraser) == [403, 403, 403, 200]


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("transport", ["mcp", "sse"])
async def test_a_tool_that_the_caller_may_not_use_is_not_listed_and_refuses(
    rag: Rag, database: Database, transport: str, era: str
) -> None:
    reader, writer = await token(database, "default", "read"), await token(database, "default", "write")
    async with running(rag, database) as url:
        for headers, tools, refused in ((reader, READS, "ingest"), (writer, {"ingest"}, "search")):
            http = httpx2.AsyncClient(headers=headers, timeout=60)
            way = (
                streamable_http_client(f"{url}/mcp", http_client=http)
                if transport == "mcp"
                else sse_client(f"{url}/sse", headers=headers)
            )
            async with http, Client(way, mode=era) as client:
                assert {tool.name for tool in (await client.list_tools()).tools} == tools
                arguments = (
                    {"query": "gate"} if refused == "search" else {"conversation_id": "x", "content": "y"}
                )
                result = await client.call_tool(refused, arguments)
                assert result.is_error
                assert "needs the scope" in result.content[0].text


async def test_what_was_changed_is_on_record_with_who_and_from_where_and_never_what(
    rag: Rag, database: Database, owner: asyncpg.Connection
) -> None:
    mine = await token(database, "acme", name="importer")
    async with running(rag, database) as url, caller(url, mine) as client:
        note = {"conversation_id": "note", "content": "The gate is green."}
        for _ in range(2):
            assert (await client.post("/ingest", json=note)).status_code == 200
        assert (await client.delete("/conversations/note")).status_code == 200
        assert (await client.post("/ingest", json=note | {"conversation_id": "other"})).status_code == 200
    identities = Identities(database)
    told = [
        (e.actor, e.address, e.action, e.conversation_id, e.messages) for e in await identities.audit("acme")
    ]
    # Sending the same again changed nothing. What was forgotten is called by its name no more.
    assert told == [
        ("importer", "127.0.0.1", "ingest", "other", 1),
        ("importer", "127.0.0.1", "forget", None, 1),
        ("importer", "127.0.0.1", "ingest", None, 1),
    ]
    assert [e.action for e in await identities.audit("acme", conversation="note")] == ["forget", "ingest"]
    assert "green" not in str(await owner.fetch("SELECT * FROM audit"))
    assert await identities.audit("default") == []


async def test_nobody_who_reads_the_database_learns_a_token(
    database: Database, owner: asyncpg.Connection
) -> None:
    header = (await token(database))["Authorization"]
    rows = str(await owner.fetch("SELECT *, encode(digest, 'hex') FROM api_token"))
    assert header.removeprefix("Bearer ")[20:] not in rows


def test_the_command_line_makes_lists_and_revokes_tokens(database_url: str) -> None:
    def token_(*arguments: str, code: int = 0) -> dict[str, object]:
        return cli(database_url, "token", *arguments, code=code)

    acme = ("--tenant", "acme")
    made = token_("create", "ci", *acme, "--scope", "read", "--days", "30")
    assert made["scopes"] == ["read"]
    assert datetime.fromisoformat(str(made["expires_at"])) > datetime.now(UTC) + timedelta(days=29)
    (listed,) = token_("list", *acme)["tokens"]  # type: ignore[misc]
    assert (listed["public_id"], listed["name"], listed["used_at"]) == (made["public_id"], "ci", None)
    assert str(made["token"])[20:] not in json.dumps(listed)
    assert token_("revoke", "ci", *acme) == {"public_ids": [made["public_id"]]}
    assert "no live token" in json.dumps(token_("revoke", "ci", *acme, code=1))
    assert "no tenant" in json.dumps(token_("list", "--tenant", "nobody", code=1))
    assert "no scope" in json.dumps(token_("create", "x", "--scope", "reed", code=2))
    assert "have a name" in json.dumps(token_("create", "x", "--tenant", " ", code=2))
    assert cli(database_url, "audit") == {"entries": []}
