"""What the processes of a store take of the memory while it is searched."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil  # type: ignore[import-untyped]

from bench.figures import Figure
from bench.search import Subject
from bench.stdio import SEARCHES, Home


async def measure(subject: Subject, questions: Sequence[str]) -> list[Figure]:
    """Of a resident server on this store, after searches; and of Postgres with all its sessions."""
    with TemporaryDirectory(prefix="mcp-rag-bench-") as folder:
        home = Home(Path(folder), MCP_RAG_DATABASE_URL=subject.url)
        try:
            resident = home.searching_megabytes(questions[:SEARCHES])
            postgres = _megabytes(await _postmaster(subject.url))
        finally:
            home.stop_resident()
    at = f"{subject.size:,} passages"
    return [
        Figure(f"  memory of the resident after {SEARCHES} searches of {at}", resident, "MB"),
        Figure(f"  memory of Postgres then, {at}", postgres, "MB", note="what it shares counted once"),
    ]


async def _postmaster(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(psutil.Process(connection.get_server_pid()).ppid())
    finally:
        await connection.close()


def _megabytes(pid: int) -> float:
    """Of a process and those below it: their shares of what they have in common."""
    total = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6
