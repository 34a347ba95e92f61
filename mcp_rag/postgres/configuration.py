"""What the embedded server is told: its settings, and who is let in."""

import os
import sys
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
    "shared_buffers": "128MB",
    "jit": "off",
    "wal_compression": "on",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
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


def _memory_settings() -> dict[str, str]:
    """What to do without where the system gives too little shared memory."""
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
