"""A database that is gone, or mute, or busy, and comes back; and more calls than there is room for."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx2
import psutil
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_rag.errors import StoreUnavailable
from mcp_rag.ports import Embedder
from mcp_rag.postgres import schema
from mcp_rag.postgres.database import PATIENCE, Database
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.conftest import Borrowed, eventually
from tests.http.running import caller, running

NOTE = {"conversation_id": "note", "content": "The gate is green."}
SOON = 1.0
"""Seconds that the servers here wait for their database, where it is gone or taken."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "data")
    yield server
    server.destroy()


@pytest.fixture
def standby(server: EmbeddedServer, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A copy of the server that has not started yet, and will follow it."""
    copy = EmbeddedServer(tmp_path / "standby")
    for each in (server, copy):
        each.start()
        each.stop()
    data, stored = copy.home / "data18", server.home / "data18"
    shutil.rmtree(data)
    subprocess.run(["cp", "--archive", stored, data], check=True)
    (data / "standby.signal").touch()
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"primary_conninfo = 'host={_sockets(server.start().owner)} user=postgres'\n")
    with (stored / "pg_hba.conf").open("a", encoding="utf-8") as admitted:
        admitted.write("local replication all trust\n")
    yield copy
    copy.destroy()


def _sockets(url: str) -> str:
    return parse_qs(urlsplit(url).query)["host"][0]


@asynccontextmanager
async def served(
    url: str, embedder: Embedder, *, patience: float = SOON, **settings: object
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server whose database is another's, not its own to start again."""
    database = Database(url=url, pool_size=2, patience=patience)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    await rag.vectors.ready()
    try:
        async with running(rag, database, **settings) as base, caller(base) as client:
            yield client
    finally:
        await rag.vectors.close()
        await database.close()


async def answers(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/conversations")).status_code == 200


async def refused(client: httpx2.AsyncClient) -> bool:
    answer = await client.get("/conversations")
    if answer.status_code == 503:
        assert answer.json()["type"] == "urn:mcp-rag:StoreUnavailable"
        assert int(answer.headers["retry-after"]) > 0
    return answer.status_code == 503


async def _started(server: EmbeddedServer) -> str:
    url = server.start().owner
    await schema.migrate(url)
    return url


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _postmaster(url: str) -> psutil.Process:
    connection = await asyncpg.connect(url)
    try:
        return psutil.Process(psutil.Process(connection.get_server_pid()).ppid())
    finally:
        await connection.close()


async def _waiting(owner: asyncpg.Connection, sessions: int) -> bool:
    """Whether so many wait for a lock that somebody else has."""
    waiting = """
        SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE NOT granted AND datname = current_database()
    """
    return bool(await owner.fetchval(waiting) == sessions)


@contextmanager
def mute(postmaster: psutil.Process) -> Iterator[None]:
    """A server that holds its connections and says nothing."""
    postmaster.send_signal(signal.SIGSTOP)
    processes = [postmaster, *postmaster.children(recursive=True)]
    _send(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(processes, signal.SIGCONT)


def _send(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        # A session may have ended by itself just now.
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


async def test_a_database_that_restarts_is_a_503_and_then_is_there_again_with_all_that_was_confirmed(
    server: EmbeddedServer, embedder: Embedder
) -> None:
    url = await _started(server)
    async with served(url, embedder) as client:
        assert (await client.post("/ingest", json=NOTE)).status_code == 200
        await asyncio.to_thread(server.stop)
        assert await refused(client)
        assert (await client.post("/ingest", json=NOTE)).status_code == 503
        await asyncio.to_thread(server.start)
        await eventually(lambda: answers(client))
        found = (await client.post("/search", json={"query": "gate"})).json()
        assert [hit["text"] for hit in found["results"]] == [NOTE["content"]]


async def test_when_its_standby_takes_over_nothing_confirmed_is_lost_and_nobody_restarts_the_service(
    server: EmbeddedServer, standby: EmbeddedServer, embedder: Embedder
) -> None:
    url = await _started(server)
    other = standby.start().owner
    await _execute(url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    await _execute(url, "SELECT pg_reload_conf()")
    writable = "postgresql://postgres@/mcp_rag?target_session_attrs=read-write&host="
    with pytest.raises(StoreUnavailable):
        await Database(url=writable + _sockets(other)).open()
    async with served(f"{writable}{_sockets(url)},{_sockets(other)}", embedder) as client:
        assert (await client.post("/ingest", json=NOTE)).status_code == 200
        (await _postmaster(url)).send_signal(signal.SIGQUIT)
        assert await refused(client)
        await _execute(other, "SELECT pg_promote()")
        await eventually(lambda: answers(client))
        found = (await client.post("/search", json={"query": "gate"})).json()
        assert [hit["text"] for hit in found["results"]] == [NOTE["content"]]
        more = NOTE | {"conversation_id": "after"}
        assert (await client.post("/ingest", json=more)).json()["added"] == 1


async def test_a_database_that_is_mute_is_a_503_and_is_used_again_when_it_speaks(
    server: EmbeddedServer, embedder: Embedder
) -> None:
    url = await _started(server)
    async with served(url, embedder) as client:
        assert (await client.post("/ingest", json=NOTE)).status_code == 200
        with mute(await _postmaster(url)):
            assert await refused(client)
        await eventually(lambda: answers(client))


async def test_a_pool_that_is_used_up_is_a_503_until_there_is_a_connection(
    database_url: str, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    async with served(database_url, embedder) as client:
        async with owner.transaction():
            await owner.execute("LOCK TABLE conversation IN ACCESS EXCLUSIVE MODE")
            writing = [
                asyncio.create_task(client.post("/ingest", json=NOTE | {"conversation_id": str(n)}))
                for n in range(2)
            ]
            await eventually(lambda: _waiting(owner, 2))
            assert await refused(client)
        assert [(await each).status_code for each in writing] == [200, 200]
        assert await answers(client)


async def test_a_call_beyond_the_queue_is_told_at_once_and_those_in_it_are_answered(
    database_url: str, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    async with served(database_url, embedder, calls_at_once=1, calls_waiting=0) as client:
        async with owner.transaction():
            await owner.execute("LOCK TABLE conversation IN ACCESS EXCLUSIVE MODE")
            working = asyncio.create_task(client.post("/ingest", json=NOTE))
            await eventually(lambda: _waiting(owner, 1))
            answer = await client.get("/conversations")
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:mcp-rag:Overloaded")
            assert int(answer.headers["retry-after"]) > 0
            url = str(client.base_url).rstrip("/")
            async with Client(streamable_http_client(f"{url}/mcp")) as tools:
                result = await tools.call_tool("list_conversations", {})
                assert result.is_error
                assert "as many calls as it can take" in result.content[0].text
        assert (await working).status_code == 200
        assert await answers(client)


async def test_a_hundred_searches_at_once_and_two_hundred_open_streams_are_all_served(
    database_url: str, embedder: Embedder
) -> None:
    limits = httpx2.Limits(max_connections=400)
    async with served(database_url, embedder, patience=PATIENCE) as client, AsyncExitStack() as stack:
        assert (await client.post("/ingest", json=NOTE)).status_code == 200
        many = httpx2.AsyncClient(base_url=client.base_url, timeout=60, limits=limits)
        await stack.enter_async_context(many)
        streams = [await stack.enter_async_context(many.stream("GET", "/sse")) for _ in range(200)]
        assert {stream.status_code for stream in streams} == {200}
        found = await asyncio.gather(*(many.post("/search", json={"query": "gate"}) for _ in range(100)))
        assert {answer.status_code for answer in found} == {200}
        assert {answer.json()["results"][0]["text"] for answer in found} == {NOTE["content"]}
