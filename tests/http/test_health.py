"""Whether it lives, is ready, and what it stands on: asked on a port of its own, of a server that is busy."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from mcp_rag import __version__
from mcp_rag.http.leaving import Leave
from mcp_rag.postgres import schema
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings
from mcp_rag.sidecar import Sidecar
from tests.cli.command import PATIENCE, Command, is_ready, said, stopped
from tests.conftest import eventually, of_database
from tests.free_ports import free_port
from tests.http.running import Ready, caller, running, token
from tests.locks import withheld

SECRET = "hunter2-of-the-database"


@contextmanager
def probed(rag: Rag | None, database: Database | None, **settings: object) -> Iterator[str]:
    """The base URL of the sidecar of a service."""
    port = free_port()
    told = Settings(health_port=port, **settings)  # type: ignore[arg-type]
    with Sidecar(Ready(rag, database), told, Leave()):
        yield f"http://127.0.0.1:{port}"


def asked(url: str) -> tuple[int, Any]:
    """Asked without giving way: while it waits, nothing else happens in the loop of this test."""
    answer = httpx2.get(url, timeout=PATIENCE)
    return answer.status_code, answer.json()


def nowhere() -> str:
    port = free_port()
    return f"postgresql://somebody:{SECRET}@127.0.0.1:{port}/nothing?sslmode=disable"


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Command:
    """`mcp-rag`, with probes as they are where nobody has set anything."""
    return Command(tmp_path, MCP_RAG_DATABASE_URL=database_url, MCP_RAG_HEALTH_PORT=None)


async def test_every_probe_is_answered_while_the_loop_of_the_service_is_blocked(
    rag: Rag, database: Database
) -> None:
    with probed(rag, database) as url:
        assert asked(f"{url}/livez") == (200, {"alive": True})
        assert asked(f"{url}/readyz") == (200, {"ready": True, "lacks": []})
        status, health = asked(f"{url}/health")
    assert (status, health["status"]) == (200, "ok")
    assert set(health["parts"]) == {"service", "database", "schema", "cache", "embedding"}
    assert health["parts"]["database"]["ms"] > 0
    assert health["parts"]["schema"]["detail"] == schema.REVISION


async def test_every_probe_is_answered_while_every_connection_of_the_pool_is_taken(
    rag: Rag, database_url: str
) -> None:
    small = Database(url=database_url, pool_size=2)
    await small.open()
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(small.transaction(1))
        with probed(rag, small) as url:
            assert asked(f"{url}/livez")[0] == asked(f"{url}/readyz")[0] == 200
            assert asked(f"{url}/health")[1]["status"] == "ok"
    await small.close()


async def test_without_a_model_or_redis_it_serves_and_says_what_is_missing(
    lexical: Rag, database: Database
) -> None:
    with probed(lexical, database, redis_url=f"redis://127.0.0.1:{free_port()}") as url:
        status, health = asked(f"{url}/health")
        assert (status, health["status"]) == (200, "degraded")
        assert {name for name, part in health["parts"].items() if part["state"] == "degraded"} == {
            "cache",
            "embedding",
        }
        assert "by words alone" in health["parts"]["embedding"]["detail"]
        assert asked(f"{url}/readyz")[0] == 200


async def test_without_a_database_it_lives_and_is_not_ready_and_tells_no_secret() -> None:
    with probed(None, None, database_url=nowhere()) as url:
        status, health = asked(f"{url}/health")
        assert (status, health["status"]) == (503, "down")
        assert health["parts"]["database"]["detail"] == "The database cannot be reached."
        assert SECRET not in str(health) and "somebody" not in str(health)
        status, ready = asked(f"{url}/readyz")
        assert (status, ready["lacks"]) == (503, ["service", "database", "schema"])
        assert asked(f"{url}/livez")[0] == 200


async def test_a_database_that_never_answers_keeps_no_probe_waiting_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"postgresql://somebody@127.0.0.1:{mute.getsockname()[1]}/nothing?sslmode=disable"
        with probed(None, None, database_url=address) as url:
            async with caller(url) as client:
                health, alive = await asyncio.gather(client.get("/health"), client.get("/livez"))
        assert (health.status_code, alive.status_code) == (503, 200)


async def test_with_a_schema_of_another_version_it_is_not_ready_and_says_what_to_do(
    rag: Rag, database: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE alembic_version SET version_num = '0001'")
    with probed(rag, database) as url:
        status, health = asked(f"{url}/health")
        assert (status, health["parts"]["database"]["state"]) == (503, "ok")
        assert "at revision 0001" in health["parts"]["schema"]["detail"]
        assert "mcp-rag migrate" in health["parts"]["schema"]["detail"]
        assert asked(f"{url}/readyz")[1]["lacks"] == ["schema"]


async def test_a_connection_that_was_lost_is_made_again(
    rag: Rag, database: Database, owner: asyncpg.Connection
) -> None:
    lost = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mcp-rag health'"

    async def well() -> bool:
        return asked(f"{url}/readyz")[0] == 200

    with probed(rag, database) as url:
        assert await well()
        assert await owner.fetchval(lost)
        await eventually(well)


async def test_the_public_port_tells_health_and_version_to_anybody_and_by_any_name(
    rag: Rag, database: Database
) -> None:
    await token(database)
    async with running(rag, database, revision="1a2b3c") as url, caller(url) as client:
        by_address = {"Host": "10.1.2.3:8080"}
        health = await client.get("/health", headers=by_address)
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert (await client.get("/version", headers=by_address)).json() == {
            "version": __version__,
            "revision": "1a2b3c",
            "schema_revision": schema.REVISION,
            "model": "bge-small-en-v1.5",
        }
        for hidden in ("/metrics", "/livez", "/readyz"):
            assert (await client.get(hidden)).status_code == 401


async def test_a_server_that_is_full_is_ready_until_it_is_told_to_stop_and_then_no_longer_before_it_drains(
    server: Command, owner: asyncpg.Connection
) -> None:
    one_place = server.with_environment(MCP_RAG_CALLS_AT_ONCE="1", MCP_RAG_HEALTH_PORT=None)
    process = one_place.start("serve", "--port", "0")
    public, probes = said(process, "/mcp"), said(process, "Probes")

    async def drains() -> bool:
        try:
            await client.get("/health", headers={"Connection": "close"})
        except httpx2.TransportError:
            return True
        return False

    await eventually(lambda: is_ready(probes), within=PATIENCE)
    async with caller(public) as client, caller(public) as another:
        async with withheld(owner) as writers:
            call = asyncio.create_task(another.post("/ingest", json={"conversation_id": "a", "content": "b"}))
            await writers(1)
            assert [asked(f"{probes}/{probe}")[0] for probe in ("livez", "readyz", "health")] == [200] * 3
            process.send_signal(signal.SIGTERM)
            await eventually(drains, within=PATIENCE)
            # Asked once: by the time that it takes no more calls, it must have said so.
            assert asked(f"{probes}/readyz") == (503, {"ready": False, "lacks": ["service"]})
            assert asked(f"{probes}/health")[1]["parts"]["service"]["state"] == "stopping"
            assert asked(f"{probes}/livez")[0] == 200
            assert not call.done()
        assert (await call).json()["added"] == 1
    await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    assert process.returncode == 0


async def test_it_becomes_ready_by_itself_once_its_database_is_there(tmp_path: Path, postgres: str) -> None:
    url = of_database(postgres, "comes_later")
    server = Command(tmp_path, MCP_RAG_DATABASE_URL=url, MCP_RAG_HEALTH_PORT=None)
    process = server.start("serve", "--port", "0")
    probes = said(process, "Probes")

    async def answers() -> bool:
        try:
            return asked(f"{probes}/livez")[0] == 200
        except httpx2.TransportError:
            return False

    await eventually(answers, within=PATIENCE)
    assert asked(f"{probes}/readyz")[0] == 503
    connection = await asyncpg.connect(postgres)
    await connection.execute("CREATE DATABASE comes_later")
    await eventually(lambda: is_ready(probes), within=PATIENCE)
    stopped(process, signal.SIGTERM)
    await connection.execute("DROP DATABASE comes_later WITH (FORCE)")
    await connection.close()


def test_a_port_that_is_taken_is_told_with_what_to_do(server: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = server("serve", "--port", "0", "--health-port", port, code=2)
        assert f"Nothing can listen on port {port}" in refused.err
        assert "MCP_RAG_HEALTH_PORT or --health-port" in refused.err
    same = server("serve", "--port", port, "--health-port", port, code=2)
    assert "for calls and for probes" in same.err


def test_servers_on_any_port_stand_side_by_side_and_one_may_have_no_probes(server: Command) -> None:
    both = [server.start("serve", "--port", "0") for _ in range(2)]
    assert len({said(process, "Probes") for process in both}) == 2
    without = server.start("serve", "--port", "0", "--health-port", "0")
    said(without, "/mcp")
    for process in (*both, without):
        assert "Probes" not in stopped(process, signal.SIGTERM).err
