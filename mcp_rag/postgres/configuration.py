"""What the embedded server is told: its settings, and who is let in."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

DATABASE = "mcp_rag"
OWNER = "postgres"
APPLICATION = "mcp_rag_app"
PORT = 5432

BOOTSTRAP = f"""\
CREATE ROLE {APPLICATION} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION
CREATE DATABASE {DATABASE}
"""
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "jit": "off",
    "wal_compression": "on",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
MEGABYTE = 2**20
BUFFERS = 128, 2048
"""The least and the most megabytes of the store that the server keeps in memory of its own, by how much there
is. It takes what it fills: a small store takes little. With 128 MB the rows of a million passages are fetched
from the system one by one, and searches by words take twice as long."""
SHARE_OF_MEMORY = 8
LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
"""Where a container reads how much memory it may use."""
# Docker gives 64 MiB of shared memory, less than a parallel index build takes.
ROOM_FOR_PARALLEL_BUILDS = 2**30


def configure(data: Path, *, socket_dir: Path, user: str) -> None:
    """Write the settings of the server in `data`, and let in `user` alone, as either role.

    The user's name comes from the kernel, so that no other account that reaches the socket gets in: above all
    not the shared account that runs the server for root.
    """
    settings = SETTINGS | _memory_settings() | {"unix_socket_directories": str(socket_dir)}
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    note = "# Written at every start. Use ALTER SYSTEM for settings of your own."
    _write(data / "postgresql.conf", note, *(f"{name} = '{value}'" for name, value in quoted.items()))
    _write(data / "pg_hba.conf", "local all all peer map=mcp_rag")
    _write(data / "pg_ident.conf", *(f'mcp_rag "{user}" {role}' for role in (OWNER, APPLICATION)))


def buffers(limits: Sequence[str] = LIMITS) -> int:
    """Megabytes of the store that the server may keep in memory."""
    least, most = BUFFERS
    return min(max(_memory(limits) // SHARE_OF_MEMORY // MEGABYTE, least), most)


def _memory(limits: Sequence[str]) -> int:
    """Bytes that there are, or that a container is given of them."""
    amounts = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in limits:
        # "max" where there is no limit.
        with suppress(OSError, ValueError):
            amounts.append(int(Path(path).read_bytes()))
    return min(amounts)


def _memory_settings() -> dict[str, str]:
    return {"shared_buffers": f"{buffers()}MB"} | _without_shared_memory()


def _without_shared_memory() -> dict[str, str]:
    """What to do without where the system gives too little of it."""
    if sys.platform != "linux":
        return {}
    if not os.access("/dev/shm", os.W_OK | os.X_OK):
        return {"dynamic_shared_memory_type": "mmap"}
    memory = os.statvfs("/dev/shm")
    small = memory.f_bavail * memory.f_frsize < ROOM_FOR_PARALLEL_BUILDS
    return {"max_parallel_maintenance_workers": "0"} if small else {}


def _write(path: Path, *lines: str) -> None:
    """Replace a file in the server's folder, through no link that its account might have put there."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)
        file.writelines(f"{line}\n" for line in lines)
    fresh.replace(path)
