"""Workers as processes, beside one another and beside servers; a service counts what they embed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests import inspection
from tests.cli.command import PATIENCE, Command, stopped
from tests.conftest import Borrowed, eventually
from tests.embedding_service import EmbeddingService, environment
from tests.free_ports import free_port
from tests.serving import serve as serve

WITHOUT = (
    "SELECT count(*) FROM passage LEFT JOIN embedding USING (tenant_id, passage_key) WHERE vector IS NULL"
)
WITH = "SELECT count(*) FROM embedding"
LOCKED = "SELECT count(*) FROM pg_locks WHERE relation = 'passage'::regclass AND mode = 'RowShareLock'"
LISTENER = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
AT_WORK = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
"""
A_WHILE_AGO = "UPDATE embedding_failure SET failed_at = failed_at - interval '1 hour'"
RARELY = ("--look-every", "86400")
Process = subprocess.Popen[bytes]
Start = Callable[..., Process]


@pytest.fixture
def service() -> EmbeddingService:
    return EmbeddingService()


@pytest.fixture
def mcp_rag(
    tmp_path: Path, database_url: str, service: EmbeddingService, serve: Callable[..., str]
) -> Command:
    """The command line on an empty store, with the service for its model."""
    home = tmp_path / "home"
    home.mkdir()
    return Command(home, MCP_RAG_DATABASE_URL=database_url, **environment(serve(service.app)))


@pytest.fixture
def start(mcp_rag: Command) -> Iterator[Start]:
    """Starts a process that does not outlive the test. `caller` is how the service knows it."""
    started: list[Process] = []

    def _start(*arguments: str, caller: str = "somebody", command: Command = mcp_rag) -> Process:
        started.append(command.with_environment(MCP_RAG_EMBEDDING_API_KEY=caller).start(*arguments))
        return started[-1]

    yield _start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
async def book(store: Store, embedder: Embedder) -> AsyncIterator[Rag]:
    """The service, which only stores."""
    book = Rag(store, Borrowed(embedder))
    yield book
    await book.vectors.close()


async def keep(book: Rag, name: str, count: int) -> None:
    await book.ingest(name, [NewMessage(text=f"Entry {n} of {name}.") for n in range(count)])


async def done(owner: asyncpg.Connection) -> None:
    """Until every passage has its vector."""
    await eventually(lambda: owner.fetchval(f"SELECT ({WITHOUT}) = 0"), within=60)


async def test_two_workers_share_what_waits_and_no_passage_is_embedded_twice(
    start: Start, book: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    await keep(book, "long", 600)
    service.passes = 0
    workers = [start("worker", caller=name) for name in ("first", "second")]
    await eventually(lambda: asyncio.sleep(0, len(service.held) == 2), within=60)
    service.passes = None
    await done(owner)
    assert {name: bool(texts) for name, texts in service.by.items()} == {"first": True, "second": True}
    assert set(service.texts("of long.").values()) == {1}
    assert await owner.fetchval(WITH) == 600
    for worker in workers:
        assert stopped(worker, signal.SIGTERM).code == 0


async def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing_and_nothing_is_doubled(
    start: Start, mcp_rag: Command, book: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    await keep(book, "long", 300)
    service.passes = 300
    worker = start("worker", caller="killed")
    await eventually(lambda: asyncio.sleep(0, "killed" in service.held), within=60)
    await eventually(lambda: owner.fetchval(f"SELECT ({WITH}) > 0"))
    worker.kill()
    await eventually(lambda: owner.fetchval(f"SELECT ({LOCKED}) = 0"))
    kept, left = await owner.fetchval(WITH), await owner.fetchval(WITHOUT)
    assert kept > 0 and left > 0 and kept + left == 300
    service.passes = None
    heir = mcp_rag.with_environment(MCP_RAG_EMBEDDING_API_KEY="heir")
    heir("worker", "--once")
    assert await owner.fetchval(WITHOUT) == 0
    assert await owner.fetchval(WITH) == 300
    alone = [text for text in service.by["heir"] if text.startswith("Entry") and "\n" not in text]
    assert len(alone) == left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_told_to_stop_gives_back_the_batch_in_hand(
    start: Start, book: Rag, owner: asyncpg.Connection, service: EmbeddingService, number: signal.Signals
) -> None:
    await keep(book, "long", 100)
    service.passes = 0
    worker = start("worker", caller="stopped")
    await eventually(lambda: asyncio.sleep(0, "stopped" in service.held), within=60)
    ended = stopped(worker, number)
    assert (ended.code, ended.out) == (0, "")
    assert "worker ends" in ended.err
    assert await owner.fetchval(f"SELECT ({WITH}) + ({LOCKED})") == 0


async def test_an_ingest_wakes_a_worker_also_after_its_connection_was_lost(
    start: Start, book: Rag, owner: asyncpg.Connection
) -> None:
    start("worker", *RARELY)
    # What is stored before it listens it finds by itself, twice at most: when it starts and when it listens.
    for n in range(4):
        await keep(book, f"talk {n}", 2)
        await done(owner)
    assert await owner.fetchval(f"SELECT count(pg_terminate_backend(pid)) {LISTENER}") == 1
    for n in range(4, 8):
        await keep(book, f"talk {n}", 2)
        await done(owner)


async def test_forgetting_a_message_has_the_next_one_embedded_anew_at_once(
    start: Start, book: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    start("worker", *RARELY)
    for n in range(3):
        await keep(book, f"talk {n}", 3)
        await done(owner)
    await book.forget(conversation_ids=["talk 2"], position=1, dry_run=False)
    await done(owner)
    assert service.asked["Entry 0 of talk 2.\nEntry 2 of talk 2."] == 1


async def test_a_server_that_is_to_embed_nothing_leaves_all_passages_to_a_worker(
    start: Start, mcp_rag: Command, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    port = free_port()
    server = start("serve", "--no-embed", "--port", str(port))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        await eventually(lambda: _answers(http), within=60)
        stored = await http.post(
            "/ingest", json={"conversation_id": "tea", "content": "The kettle is on the stove."}
        )
        assert stored.status_code == 200, stored.text
        for _ in range(3):
            found = (await http.post("/search", json={"query": "kettle"})).json()
            assert (found["mode"], found["total"]) == ("hybrid", 1)
        assert not service.texts("stove")
        assert await owner.fetchval(WITH) == 0
        mcp_rag("worker", "--once")
        assert await owner.fetchval(WITH) == 1
    assert server.poll() is None


async def _answers(http: httpx2.AsyncClient) -> bool:
    """Whether the server has its database and its model."""
    try:
        return bool((await http.post("/search", json={"query": "kettle"})).json()["mode"] == "hybrid")
    except (httpx2.TransportError, KeyError):
        return False


async def test_a_passage_that_cannot_be_embedded_is_set_aside_and_the_others_are_not_held_up(
    mcp_rag: Command, book: Rag, owner: asyncpg.Connection, service: EmbeddingService
) -> None:
    service.poison = "hemlock"
    await keep(book, "garden", 60)
    await book.ingest("herbs", [NewMessage(text="Two leaves of hemlock."), NewMessage(text="And mint.")])
    mcp_rag("worker", "--once")
    assert await owner.fetchval(WITHOUT) == 1
    assert mcp_rag("status", "--json").document["set_aside"] == 0
    for _ in range(2):
        await owner.execute(A_WHILE_AGO)
        mcp_rag("worker", "--once")
    tried = service.asked["Two leaves of hemlock."]
    await owner.execute(A_WHILE_AGO)
    mcp_rag("worker", "--once")
    assert service.asked["Two leaves of hemlock."] == tried

    status = mcp_rag("status", "--json").document
    assert (status["pending"], status["set_aside"]) == (0, 1)
    (failure,) = status["failures"]
    assert failure["uri"] == "conversation://herbs/messages/0"
    assert failure["error"] == "The embedding service answered with status 400."
    told = mcp_rag("status").out
    assert "Set aside\t1" in told
    assert "conversation://herbs/messages/0 The embedding service answered with status 400." in told
    assert {place.split(".")[0] for place in await inspection.places(owner, "hemlock")} == {"message"}

    mcp_rag("worker", "--once", "--retry")
    assert service.asked["Two leaves of hemlock."] > tried
    service.poison = ""
    mcp_rag("worker", "--once", "--retry")
    assert await owner.fetchval(WITHOUT) == 0
    assert mcp_rag("status", "--json").document["set_aside"] == 0


async def test_a_worker_says_counts_and_never_content(
    mcp_rag: Command, book: Rag, service: EmbeddingService
) -> None:
    service.poison = "hemlock"
    await book.ingest("herbs", [NewMessage(text="Two leaves of hemlock."), NewMessage(text="And mint.")])
    logging = mcp_rag.with_environment(MCP_RAG_LOG_FORMAT="json", MCP_RAG_LOG_LEVEL="debug")
    ended = logging("worker", "--once")
    said = [json.loads(line) for line in ended.err.splitlines()]
    assert {"event": "embedded", "passages": 1}.items() <= {**said[-2]}.items()
    assert [line["passages"] for line in said if line["event"] == "passages not embedded"] == [1]
    assert ended.out == ""
    assert "leaves" not in ended.err and "mint" not in ended.err and "herbs" not in ended.err


async def test_a_worker_goes_on_after_its_database_was_restarted_and_waits_for_one_that_is_down(
    tmp_path: Path, start: Start, mcp_rag: Command, embedder: Embedder
) -> None:
    server = EmbeddedServer(tmp_path / "postgres")
    urls = await asyncio.to_thread(server.start)
    elsewhere = mcp_rag.with_environment(
        MCP_RAG_DATABASE_URL=urls.application, MCP_RAG_MIGRATION_DATABASE_URL=urls.owner
    )
    elsewhere("status")
    await asyncio.to_thread(server.stop)
    worker = start("worker", *RARELY, command=elsewhere)
    assert "not started" in await asyncio.to_thread(_line, worker, "not started")
    await asyncio.to_thread(server.start)
    for round_ in range(2):
        database = Database(url=urls.application)
        await database.open()
        book = Rag(Store(database), Borrowed(embedder))
        connection = await asyncpg.connect(urls.owner)
        for n in range(3):
            await keep(book, f"talk {round_} {n}", 2)
            await done(connection)
        await connection.close()
        await database.close()
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
    assert worker.poll() is None
    assert stopped(worker, signal.SIGTERM).code == 0
    await asyncio.to_thread(server.destroy)


def _line(process: Process, words: str) -> str:
    """The line in which it says that."""
    assert process.stderr is not None
    return next(line for line in map(bytes.decode, process.stderr) if words in line)


def test_a_worker_and_an_ingest_share_an_embedded_server(
    mcp_rag: Command, start: Start, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    alone = mcp_rag.with_environment(MCP_RAG_DATABASE_URL=None, MCP_RAG_DATA_DIR=str(data))
    worker = start("worker", *RARELY, command=alone)
    for name in ("one", "two", "three"):
        alone("ingest", "-", "--conversation-id", name, "--no-wait", stdin=f"The word is {name}.")
        while alone("status", "--json").document["pending"]:
            assert worker.poll() is None
    assert stopped(worker, signal.SIGTERM).code == 0
    EmbeddedServer(data).destroy()


def test_once_fails_where_there_is_no_database(mcp_rag: Command) -> None:
    nowhere = mcp_rag.with_environment(MCP_RAG_DATABASE_URL="postgresql://localhost:1/none")
    assert "cannot be reached" in nowhere("worker", "--once", code=3).err


def asked(url: str) -> tuple[int, Any]:
    answer = httpx2.get(url, timeout=PATIENCE)
    return answer.status_code, answer.json()


async def told(url: str, lacks: list[str]) -> None:
    """Until it says that it lacks these and nothing else."""

    async def says() -> bool:
        try:
            return bool((await asyncio.to_thread(asked, f"{url}/readyz"))[1]["lacks"] == lacks)
        except httpx2.TransportError:
            return False

    await eventually(says, within=PATIENCE)


def counted(url: str) -> dict[tuple[str, ...], float]:
    """What is told of embedding: each name with the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(httpx2.get(f"{url}/metrics", timeout=PATIENCE).text)
        for sample in family.samples
        if sample.name.startswith("mcp_rag_embedding")
    }


@pytest.fixture
def probes() -> str:
    """Where the probes of one worker shall be."""
    return f"http://127.0.0.1:{free_port()}"


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


async def test_a_worker_is_ready_while_it_has_its_model_its_database_and_the_schema_of_its_version(
    start: Start, owner: asyncpg.Connection, service: EmbeddingService, probes: str
) -> None:
    service.mute = True
    start("worker", *RARELY, "--health-port", port_of(probes))
    await told(probes, ["embedding"])
    assert asked(f"{probes}/livez")[0] == 200
    assert asked(f"{probes}/readyz")[0] == 503
    assert asked(f"{probes}/health")[1]["parts"]["embedding"]["state"] == "down"
    service.mute = False
    await told(probes, [])
    assert asked(f"{probes}/readyz")[0] == 200
    health = asked(f"{probes}/health")[1]
    assert (health["status"], set(health["parts"])) == ("ok", {"service", "database", "schema", "embedding"})
    await owner.execute("UPDATE alembic_version SET version_num = '0001'")
    await told(probes, ["schema"])


async def test_a_worker_without_its_database_lives_and_is_not_ready(start: Start, mcp_rag: Command) -> None:
    nobody, probes = (free_port() for _ in range(2))
    nowhere = mcp_rag.with_environment(
        MCP_RAG_DATABASE_URL=f"postgresql://postgres@127.0.0.1:{nobody}/none?sslmode=disable",
        MCP_RAG_HEALTH_PORT=str(probes),
    )
    start("worker", command=nowhere)
    await told(f"http://127.0.0.1:{probes}", ["service", "database", "schema", "embedding"])
    assert asked(f"http://127.0.0.1:{probes}/livez")[0] == 200


@contextmanager
def halted(processes: list[int]) -> Iterator[None]:
    """They do nothing while this lasts."""
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


async def test_a_worker_that_is_told_to_stop_is_not_ready_while_it_gives_back_what_it_has(
    start: Start, book: Rag, owner: asyncpg.Connection, service: EmbeddingService, probes: str
) -> None:
    await keep(book, "long", 100)
    service.passes = 0
    worker = start("worker", *RARELY, "--health-port", port_of(probes), caller="stopped")
    await eventually(lambda: asyncio.sleep(0, "stopped" in service.held), within=60)
    await told(probes, [])
    with halted([row["pid"] for row in await owner.fetch(AT_WORK)]):
        worker.send_signal(signal.SIGTERM)
        await told(probes, ["service"])
        assert asked(f"{probes}/health")[1]["parts"]["service"]["state"] == "stopping"
        assert worker.poll() is None
    assert await asyncio.to_thread(worker.wait, PATIENCE) == 0
    assert await owner.fetchval(f"SELECT ({WITH}) + ({LOCKED})") == 0


async def test_a_worker_counts_what_it_embeds_what_it_cannot_and_when_it_had_to_wait(
    start: Start, book: Rag, owner: asyncpg.Connection, service: EmbeddingService, probes: str
) -> None:
    service.poison = "hemlock"
    start("worker", *RARELY, "--health-port", port_of(probes))
    await told(probes, [])
    none = counted(probes)
    assert set(none.values()) == {0.0} and len(none) == 7
    await keep(book, "garden", 70)
    await book.ingest("herbs", [NewMessage(text="Two leaves of hemlock.")])
    await eventually(lambda: owner.fetchval(f"SELECT ({WITH}) = 70"), within=60)

    async def failed() -> bool:
        return counted(probes)["mcp_rag_embedding_passages_total", "failed"] == 1

    await eventually(failed, within=60)
    now = counted(probes)
    assert now["mcp_rag_embedding_passages_total", "embedded"] == 70
    assert now["mcp_rag_embedding_batches_total",] >= 2
    service.down = True
    await keep(book, "later", 1)

    async def waits() -> bool:
        return counted(probes)["mcp_rag_embedding_interruptions_total", "model"] == 1

    await eventually(waits, within=60)
    assert counted(probes)["mcp_rag_embedding_interruptions_total", "database"] == 0


async def test_a_worker_answers_probes_only_where_it_was_asked_to(
    start: Start, mcp_rag: Command, book: Rag, owner: asyncpg.Connection
) -> None:
    unasked = mcp_rag.with_environment(MCP_RAG_HEALTH_PORT=None)
    workers = [start("worker", *RARELY, command=unasked) for _ in range(2)]
    await keep(book, "garden", 1)
    await done(owner)
    await eventually(lambda: owner.fetchval(f"SELECT count(*) = 2 {LISTENER}"), within=60)
    assert [_listened_on(worker) for worker in workers] == [[], []]


def _listened_on(process: Process) -> list[int]:
    found = psutil.Process(process.pid).net_connections(kind="inet")
    return [each.laddr.port for each in found if each.status == psutil.CONN_LISTEN]


def test_a_port_for_the_probes_of_a_worker_that_cannot_be_had_is_refused_with_what_to_do(
    mcp_rag: Command,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = mcp_rag("worker", "--health-port", port, code=2)
        assert f"Nothing can listen on port {port}" in refused.err
        assert "MCP_RAG_HEALTH_PORT or --health-port" in refused.err
        # A cron job may have the settings of the others.
        mcp_rag.with_environment(MCP_RAG_HEALTH_PORT=port)("worker", "--once")
    assert "Leave out" in mcp_rag("worker", "--once", "--health-port", port, code=2).err
