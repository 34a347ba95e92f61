"""What the tests of the embedded server stand on: data folders, questions, and other processes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import asyncpg

from mcp_rag.postgres.embedded import EmbeddedServer

PROGRAM = """
import os, subprocess, sys
from pathlib import Path
from mcp_rag.errors import EmbeddedServerFailed
from mcp_rag.postgres.embedded import EmbeddedServer, find_binaries

folder, uid, packages = sys.argv[1:]
if packages:
    sys.path.insert(0, packages)
if uid:
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
server = EmbeddedServer(Path(folder))

def ask(sql):
    psql = [find_binaries() / "psql", server.start().owner, "-Atc", sql]
    return subprocess.run(psql, capture_output=True, text=True, check=True).stdout.strip()

for line in sys.stdin:
    order, _, sql = line.strip().partition(" ")
    try:
        answer = ask(sql) if sql else getattr(server, order)()
    except EmbeddedServerFailed as error:
        answer = f"failed: {error}"
    print(repr(answer), flush=True)
"""


@contextmanager
def data_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is closed to others, as a demo makes it; the server in it is destroyed with it."""
    made = Path(tempfile.mkdtemp(dir=parent)).resolve()
    try:
        yield made
    finally:
        EmbeddedServer(made).destroy()
        shutil.rmtree(made)


def ask(url: str, *statements: str) -> object:
    """What the last statement answers."""

    async def talk() -> object:
        connection = await asyncpg.connect(url)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(talk())


class Neighbour:
    """A process with an EmbeddedServer on `folder`; as root it can take another user id."""

    def __init__(
        self, folder: Path, *, uid: int | None = None, packages: Path | None = None, **environment: str
    ):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, folder, str(uid or ""), str(packages or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        )

    def send(self, order: str) -> Self:
        assert self.process.stdin
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return self

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def do(self, order: str) -> str:
        """`start`, `stop`, or `ask` and an SQL statement: what came of it."""
        return self.send(order).answer()

    def kill(self) -> str:
        """End it as the kernel does. What it wrote that nobody asked for."""
        self.process.send_signal(signal.SIGKILL)
        written, _ = self.process.communicate()
        return written
