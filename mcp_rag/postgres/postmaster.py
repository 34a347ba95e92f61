"""One Postgres server: asked, made, started and stopped. Who calls holds the lock of its home."""

import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Literal

from mcp_rag.errors import EmbeddedServerFailed
from mcp_rag.postgres.account import ANOTHER_FOLDER, TEMPORARY, Account, make_folders, require_ours
from mcp_rag.postgres.binaries import binaries_for
from mcp_rag.postgres.configuration import BOOTSTRAP, DATABASE, OWNER, PORT, configure

if sys.platform != "win32":
    import fcntl

State = Literal["ready", "busy", "silent"]

PATIENCE = 120
"""Seconds that a start may take: after a crash Postgres first repeats what was committed."""
GRACE = 3
LONGEST_SOCKET_FOLDER = 85
LARGEST_LOG = 10 * 2**20
# pg_ctl hands its arguments to a shell between double quotes.
UNQUOTABLE = frozenset('"$`\\\n')


class Postmaster:
    """The server whose files lie in `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data18"
        self.log_file = home / "log"
        self.socket_dir = _socket_dir(home)

    @cached_property
    def account(self) -> Account:
        """Who runs it: whoever made the data; root can choose who makes it."""
        chosen = Account.for_server()
        return Account.of(self.data.stat().st_uid) if chosen.borrowed and self.data.exists() else chosen

    @cached_property
    def binaries(self) -> Path:
        return binaries_for(self.account)

    def state(self) -> State:
        """What the server itself answers: no process id and no file is believed.

        `busy` is a server that starts, recovers or stops, or is slow; `silent` is none at all.
        """
        fields = b"".join(f"{word}\0".encode() for word in ("user", OWNER, "database", DATABASE, ""))
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.settimeout(GRACE)
                channel.connect(str(self.socket_dir / f".s.PGSQL.{PORT}"))
                channel.sendall(struct.pack("!II", len(fields) + 8, 3 << 16) + fields)
                return _state_in(channel)
        except (TimeoutError, BlockingIOError, ConnectionResetError, BrokenPipeError):
            return "busy"
        except OSError:
            return "silent"

    def start(self) -> None:
        """Have the server ready, whatever a crash has left behind.

        Raises:
            EmbeddedServerFailed: it did not start; the cause ends with its last words.
        """
        if self._settled() == "ready":
            return
        self._prepare()
        with self._presence() as presence:
            try_lock(presence)
            if not self.data.exists():
                self._create(presence)
            configure(self.data, socket_dir=self.socket_dir, user=Account.ours().name)
            arguments = ("start", "-D", self.data, "-w", "-t", str(PATIENCE), "-s")
            if not self._run("pg_ctl", *arguments, presence=presence):
                raise self._failure("Postgres did not start")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server if it runs; whoever is connected is disconnected.

        Raises:
            EmbeddedServerFailed: it did not stop.
        """
        arguments = ("stop", "-D", self.data, "-m", mode, "-w", "-t", "60", "-s")
        if self._reachable() and not self._run("pg_ctl", *arguments) and self._reachable():
            raise self._failure("Postgres did not stop")

    def remove(self) -> None:
        """Stop the server, and remove its home and the folder of its socket.

        Raises:
            EmbeddedServerFailed: it did not stop.
        """
        self._settled()
        self.stop("immediate")
        if self.home not in self.socket_dir.parents:
            shutil.rmtree(self.socket_dir.parent, ignore_errors=True)
        shutil.rmtree(self.home)

    def _settled(self) -> State:
        """Whether it is ready or silent: not busy, and if silent, without a process that is left."""
        begun = time.monotonic()
        while (state := self.state()) != "ready":
            waited = time.monotonic() - begun
            if state == "silent" and not self._present():
                break
            if waited > PATIENCE:
                raise self._failure(f"Postgres neither answered nor ended within {PATIENCE} seconds")
            if state == "silent" and waited > GRACE:
                self.stop()  # It lives, but its socket was removed, so that nobody new can reach it.
            time.sleep(0.02)
        return state

    def _reachable(self) -> bool:
        """Whether the process that the server noted is the server, so that it can be told to stop."""
        if self.state() != "silent":
            return True
        with suppress(FileNotFoundError, NotADirectoryError, ValueError, IndexError):
            noted = int((self.data / "postmaster.pid").read_text().split()[0])
            return f" -D {self.data} " in _command_line(noted) + " "
        return False

    def _present(self) -> bool:
        with self._presence() as presence:
            return not try_lock(presence)

    @contextmanager
    def _presence(self) -> Iterator[int]:
        """The file that all processes of a server keep locked: the kernel tells when the last has ended.

        That holds for the sessions that outlive a killed postmaster, and in containers that share a volume
        and do not see each other's processes.
        """
        descriptor = os.open(self.home / "presence", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _prepare(self) -> None:
        """Make room for a start, now that no process of an earlier one is left."""
        if UNQUOTABLE & set(f"{self.home}{self.binaries}"):
            cause = f"{self.home} or {self.binaries} has a character that Postgres cannot start with."
            raise EmbeddedServerFailed(cause, remedy=ANOTHER_FOLDER)
        make_folders(self.socket_dir.parent, 0o711 if self.account.borrowed else 0o700)
        require_ours(self.socket_dir.parent)
        self.account.make_folder(self.socket_dir)
        # The process id in these is by now a zombie's or a stranger's, and Postgres would believe it.
        (self.socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for half in self.home.glob("initdb-*"):
            shutil.rmtree(half)
        with suppress(FileNotFoundError):
            if self.log_file.stat().st_size > LARGEST_LOG:
                self.log_file.replace(self.home / "log.old")

    def _create(self, presence: int) -> None:
        """Make the database and the roles aside, so that the data folder is there whole or not at all."""
        fresh = self.account.make_folder(Path(tempfile.mkdtemp(prefix="initdb-", dir=self.home)))
        try:
            self._fill(fresh, presence)
            fresh.rename(self.data)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _fill(self, fresh: Path, presence: int) -> None:
        locale = ("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        access = ("-U", OWNER, "--auth-local=peer", "--auth-host=reject")
        making = ("-D", fresh, *locale, *access, "--no-sync", "--no-instructions")
        alone = ("--single", "-F", "-c", "exit_on_error=on", "-c", "log_checkpoints=off", "-D", fresh)
        with tempfile.TemporaryFile(dir=self.home) as script:
            script.write(BOOTSTRAP.encode())
            script.seek(0)
            if not (
                self._run("initdb", *making, presence=presence)
                and self._run("postgres", *alone, "template1", stdin=script, presence=presence)
                and self._run("initdb", "-D", fresh, "--sync-only", presence=presence)
            ):
                raise self._failure("The database could not be made")

    def _run(
        self,
        program: str,
        *arguments: str | Path,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        presence: int | None = None,
    ) -> bool:
        """Run a program of Postgres as its account, writing to the log. Whether it succeeded."""
        account = self.account
        environment = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with open(os.open(self.log_file, flags, 0o600), "ab") as log:
            return not subprocess.run(
                [self.binaries / program, *arguments],
                stdin=stdin,
                stdout=log,
                stderr=log,
                pass_fds=() if presence is None else (presence,),
                cwd="/",
                env=environment | {"LC_ALL": "C"},
                user=account.uid if account.borrowed else None,
                group=account.gid if account.borrowed else None,
                extra_groups=[] if account.borrowed else None,
                umask=0o077,
                start_new_session=True,
            ).returncode

    def _failure(self, what: str) -> EmbeddedServerFailed:
        last = ""
        with suppress(FileNotFoundError):
            last = "\n".join(self.log_file.read_text(errors="replace").splitlines()[-10:])
        return EmbeddedServerFailed(f"{what}. {self.log_file} ends with:\n{last}\n")


def digest(path: Path) -> str:
    """A short name for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def try_lock(descriptor: int) -> bool:
    """Lock an open file until everybody who inherits the descriptor has closed it. False if it is locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _socket_dir(home: Path) -> Path:
    inside = home / "socket"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER and not {",", '"'} & set(str(inside)):
        return inside
    return TEMPORARY / f"mcp-rag-{digest(home)}" / "socket"


def _state_in(channel: socket.socket) -> State:
    reply = b""
    # The greeting is heard out, since the server would log a caller that hangs up.
    while not reply.endswith(b"Z\0\0\0\x05I"):
        more = channel.recv(4096)
        if not more:
            return "ready" if reply[:1] == b"E" and b"C57P03\0" not in reply else "busy"
        reply += more
    channel.sendall(b"X\0\0\0\x04")
    return "ready"


def _command_line(pid: int) -> str:
    """How the process was started; empty if it is a zombie or there is none."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        return ""
    listing = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    listed = subprocess.run(listing, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return os.fsdecode(listed.stdout).strip()
