"""A Postgres server of our own, started by the first process that needs it and stopped by the last.

Everything about it lies in one folder, its home (`postgres` in the data folder):

    lock            held while the server is started or stopped
    leases/         one locked file per user of the server; the kernel unlocks it when the process dies
    presence        locked by the processes of the server itself
    data18/         what Postgres 18 stores
    socket/         where it listens; elsewhere if this path is too long for a socket
    log
"""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from mcp_rag.errors import EmbeddedServerFailed
from mcp_rag.postgres.account import (
    ANOTHER_FOLDER,
    OTHERWISE,
    SHARED,
    TEMPORARY,
    Account,
    make_folders,
    refusals_translated,
    require_ours,
)
from mcp_rag.postgres.binaries import find_binaries
from mcp_rag.postgres.configuration import APPLICATION, DATABASE, OWNER, PORT
from mcp_rag.postgres.postmaster import PATIENCE, Postmaster, digest, try_lock

if sys.platform != "win32":
    import fcntl

__all__ = ["EmbeddedServer", "ServerUrls", "find_binaries"]

LOCK_PATIENCE = 2 * PATIENCE


@dataclass(frozen=True)
class ServerUrls:
    """Where to connect: as the owner of the database, and as the role that row security binds."""

    owner: str
    application: str


class EmbeddedServer:
    """The server of one data folder. Its methods block; any number of processes may use it at once."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self._lease: tuple[Path, int] | None = None
        self._made: list[Path] = []

    @cached_property
    def home(self) -> Path:
        """The server's folder; not in the data folder if that is closed to the account that runs it.

        Raises:
            EmbeddedServerFailed: this system has no account that can run it.
        """
        inside = self.data_dir / "postgres"
        account = Account.for_server()
        if not account.borrowed or (inside / "data18").exists():
            return inside
        # A temporary store stays one: its replacement must not outlive a reboot that the original does not.
        temporary = self.data_dir.is_relative_to(TEMPORARY.resolve())
        outside = (
            TEMPORARY / f"mcp-rag-{digest(self.data_dir)}" if temporary else SHARED / digest(self.data_dir)
        )
        return inside if account.may_enter(inside) and not outside.exists() else outside

    @cached_property
    def _postmaster(self) -> Postmaster:
        return Postmaster(self.home)

    @property
    def log_file(self) -> Path:
        return self._postmaster.log_file

    @property
    def running(self) -> bool:
        """Whether the server answers now."""
        return self._postmaster.state() == "ready"

    def start(self) -> ServerUrls:
        """Have the server ready until `stop` or the end of this process.

        It is started, attached to, or, after it died, started again. Recovery after a crash may take a while.

        Raises:
            EmbeddedServerFailed: it cannot run here or did not start.
        """
        with refusals_translated():
            self._make_home()
            with self._locked():
                self._postmaster.start()
                self._take_lease()
        return self._urls

    def stop(self) -> None:
        """Give the server back. The last of its users stops it.

        Raises:
            EmbeddedServerFailed: it did not stop.
        """
        if self._lease is None:
            return
        with refusals_translated():
            if not self.home.exists():
                self._drop_lease()
                return
            with self._locked():
                self._drop_lease()
                if not self._leased():
                    self._postmaster.stop()

    def destroy(self) -> None:
        """Stop the server, whoever still uses it, and remove all that it stores.

        Raises:
            EmbeddedServerFailed: it did not stop, or its files could not be removed.
        """
        with refusals_translated():
            if self.home.exists():
                with self._locked():
                    self._postmaster.remove()
            self._drop_lease()
            for folder in reversed(self._made):
                with suppress(OSError):
                    folder.rmdir()

    @property
    def _urls(self) -> ServerUrls:
        place = f"host={quote(str(self._postmaster.socket_dir), safe='')}&port={PORT}"
        return ServerUrls(
            owner=f"postgresql://{OWNER}@/{DATABASE}?{place}",
            application=f"postgresql://{APPLICATION}@/{DATABASE}?{place}",
        )

    def _make_home(self) -> None:
        account = self._postmaster.account
        self._made += make_folders(self.home, 0o711 if account.borrowed else 0o700)
        require_ours(self.home)
        if account.borrowed and not account.may_enter(self.home):
            cause = f"{self.home} is closed to {account.name}, who runs Postgres for root."
            raise EmbeddedServerFailed(cause, remedy=ANOTHER_FOLDER)
        self._made += make_folders(self.home / "leases", 0o700)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, over all processes.

        Raises:
            EmbeddedServerFailed: another process held the lock for too long.
        """
        deadline = time.monotonic() + LOCK_PATIENCE
        path = self.home / "lock"
        while time.monotonic() < deadline:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                # A file that was removed meanwhile locks nobody out.
                if (
                    try_lock(descriptor)
                    and path.exists()
                    and os.path.samestat(os.fstat(descriptor), path.stat())
                ):
                    yield
                    return
            finally:
                os.close(descriptor)
            time.sleep(0.02)
        cause = f"Another process has held {path} for {LOCK_PATIENCE} seconds."
        raise EmbeddedServerFailed(cause, remedy=f"End the `mcp-rag` process that hangs, {OTHERWISE}")

    def _take_lease(self) -> None:
        if self._lease and self._lease[0].exists():
            return
        self._drop_lease()
        path = self.home / "leases" / f"{os.getpid()}-{secrets.token_hex(4)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._lease = path, descriptor

    def _drop_lease(self) -> None:
        if self._lease:
            path, descriptor = self._lease
            path.unlink(missing_ok=True)
            os.close(descriptor)
            self._lease = None

    def _leased(self) -> bool:
        """Whether anybody uses the server. The leases of the dead are removed."""
        leases = list((self.home / "leases").iterdir())
        return [path for path in leases if not _removed_if_dead(path)] != []


def _removed_if_dead(lease: Path) -> bool:
    descriptor = os.open(lease, os.O_RDWR | os.O_NOFOLLOW)
    try:
        dead = try_lock(descriptor)
        if dead:
            lease.unlink()
        return dead
    finally:
        os.close(descriptor)
