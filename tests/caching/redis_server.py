"""A real Redis that a test may hurt, and one that says what a test wants."""

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
import redis

from tests.free_ports import free_port

Over = Literal["tcp", "unix"]


class RedisServer:
    """Keeps nothing on disk. It comes back at the same address."""

    def __init__(self, folder: Path, over: Over) -> None:
        self._folder = folder
        if over == "tcp":
            port = free_port()
            self.url = f"redis://127.0.0.1:{port}"
            self._address = ["--bind", "127.0.0.1", "--port", str(port)]
        else:
            self.url = f"unix://{folder / 'socket'}"
            self._address = ["--port", "0", "--unixsocket", str(folder / "socket")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not on the PATH: install Redis (apt-get install redis-server).")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *self._address, "--save", "", "--dir", str(self._folder), *options],
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"redis-server does not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.RedisError, OSError):
            return False

    def client(self) -> redis.Redis:
        """A client of the test's own, to look and to meddle."""
        return redis.Redis.from_url(self.url, socket_timeout=10, protocol=2)

    def kill(self) -> None:
        if self._process is not None:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It takes connections and commands, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Script:
    """What a server says to a GET before it hangs up, and what has come to it. It says nothing to b""."""

    def __init__(self, reply: bytes, *, to_auth: bytes = b"+OK\r\n") -> None:
        self.reply, self.to_auth = reply, to_auth
        self.url = ""
        self.connections = 0


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Script]:
    """Speak by the script on a port of this machine."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script.connections += 1
        while said := await reader.read(65536):
            writer.write(b"+OK\r\n" * said.count(b"SETINFO"))
            if b"AUTH" in said:
                writer.write(script.to_auth)
            if b"GET\r\n" in said and script.reply:
                writer.write(script.reply)
                break
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    script.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()
        await server.wait_closed()
