"""Probes of the resident server, which are answered where somebody has asked for them, and nowhere else."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator

import asyncpg
import httpx2
import psutil
import pytest

from tests.free_ports import free_port

from .household import SECONDS, Household, Talk, eventually, request

CONSOLE = [sys.executable, "-m", "mcp_rag", "stdio"]
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
def home(household: Household, database_url: str) -> Household:
    """A user of the product itself."""
    household.environment["MCP_RAG_DATABASE_URL"] = database_url
    return household


@pytest.fixture
def port() -> int:
    return free_port()


def probe(port: int, name: str) -> tuple[int, dict[str, object]] | None:
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/{name}", timeout=SECONDS)
    except httpx2.TransportError:
        return None
    return answer.status_code, dict(answer.json())


def is_ready(port: int) -> bool:
    answer = probe(port, "readyz")
    return answer is not None and answer[0] == 200


def listened_on(pid: int) -> set[int]:
    found = psutil.Process(pid).net_connections(kind="inet")
    return {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN}


@pytest.fixture(params=["--health-port {}", "--health-port={}", "MCP_RAG_HEALTH_PORT"])
def asking(request: pytest.FixtureRequest, home: Household, port: int) -> Iterator[Talk]:
    """A client that has asked for probes, in one of the ways to do so."""
    if request.param == "MCP_RAG_HEALTH_PORT":
        home.environment["MCP_RAG_HEALTH_PORT"] = str(port)
        options = []
    else:
        options = request.param.format(port).split()
    with home.talk(*options, command=CONSOLE) as talk:
        yield talk


def test_the_resident_answers_probes_where_a_client_asks_for_them(
    asking: Talk, home: Household, port: int
) -> None:
    asking.initialize()
    (resident,) = home.residents()
    eventually(lambda: is_ready(port))
    assert listened_on(resident) == {port}
    assert listened_on(asking.process.pid) == set()


def test_the_resident_listens_on_no_port_unasked(home: Household) -> None:
    with home.talk(command=CONSOLE) as talk:
        talk.initialize()
        assert not talk.call("search", 1, query="walrus")["result"].get("isError")
        assert listened_on(home.resident()) == set()
        with home.talk("--health-port", "0", command=CONSOLE) as without:
            without.initialize()
            assert [listened_on(pid) for pid in home.residents()] == [set(), set()]


async def test_a_resident_that_is_told_to_stop_is_not_ready_while_it_finishes_its_calls(
    home: Household, port: int, owner: asyncpg.Connection
) -> None:
    home.environment["MCP_RAG_HEALTH_PORT"] = str(port)
    with home.talk(command=CONSOLE) as talk:
        await asyncio.to_thread(talk.initialize)
        await asyncio.to_thread(eventually, lambda: is_ready(port))
        async with owner.transaction():
            await owner.execute("LOCK TABLE conversation IN SHARE MODE")
            stored = {"conversation_id": "a", "content": "Lisbon."}
            talk.say(request("tools/call", 1, name="ingest", arguments=stored))
            while not await owner.fetchval(WAITING):
                assert talk.process.poll() is None
            os.kill(home.resident(), signal.SIGTERM)
            stopping = await asyncio.to_thread(
                eventually, lambda: not is_ready(port) and probe(port, "readyz")
            )
            assert stopping == (503, {"ready": False, "lacks": ["service"]})
            assert await asyncio.to_thread(probe, port, "livez") == (200, {"alive": True})
        assert (await asyncio.to_thread(talk.hear))["result"]["structuredContent"]["added"] == 1
    await asyncio.to_thread(eventually, lambda: not home.residents())


def test_a_port_that_is_taken_costs_no_client_its_memory(home: Household, port: int) -> None:
    home.environment["MCP_RAG_HEALTH_PORT"] = str(port)
    with socket.create_server(("127.0.0.1", port)), home.talk(command=CONSOLE) as talk:
        talk.initialize()
        assert not talk.call("search", 1, query="walrus")["result"].get("isError")
        eventually(
            lambda: "no probes" in (home.folder / "mcp-rag" / os.path.basename(home.place.log)).read_text()
        )


@pytest.mark.parametrize(
    "wrong", ["--health-port", "--health-port=", "--health-port=many", "--health-port=65536"]
)
def test_a_port_that_is_none_is_refused(household: Household, wrong: str) -> None:
    with household.talk(wrong, command=CONSOLE) as talk:
        _, err = talk.process.communicate(timeout=SECONDS)
    assert talk.process.returncode == 2
    assert b"--health-port needs a number from 0 to 65535" in err
