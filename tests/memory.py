"""A folder in memory for what a run of the tests throws away, on a machine that has such a place."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcp_rag.postgres.embedded import EmbeddedServer

MEMORY = Path("/dev/shm")
NAME = "mcp-rag-tests-"
ROOM = 2**31
"""Bytes that must be free there; Docker gives 64 MiB unless it is asked for more."""


@contextmanager
def server_folder(otherwise: Path) -> Iterator[Path]:
    """Where a server of this run may lie.

    A run makes and removes a database of some hundred files for nearly every test. A disk can make a new file
    only the more slowly the more were removed just before: ext4 without a journal looks at each of them.
    """
    if not _has_room():
        yield otherwise
        return
    _remove_what_killed_runs_left()
    folder = Path(tempfile.mkdtemp(prefix=NAME, dir=MEMORY))
    # Root has its server run by another account, which must come in.
    folder.chmod(0o711)
    lock = os.open(folder / "new", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Nobody may see it before it is locked.
    (folder / "new").rename(folder / "lock")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def _has_room() -> bool:
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        return False
    there = os.statvfs(MEMORY)
    return there.f_bavail * there.f_frsize >= ROOM


def _remove_what_killed_runs_left() -> None:
    for lock in MEMORY.glob(f"{NAME}*/lock"):
        # Another's, or still in use, or just removed by a neighbour.
        with suppress(OSError), open(lock, "r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            EmbeddedServer(lock.parent).destroy()
            shutil.rmtree(lock.parent)
