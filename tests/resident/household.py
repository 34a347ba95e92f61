"""What the tests of this folder share: a private meeting place, and the processes that use it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
from mcp import Client, StdioServerParameters

from mcp_rag.rendezvous import Place, meeting_place, resident_pid

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PIPE = [sys.executable, str(HERE / "sample_pipe.py")]
ERAS = ("legacy", "2026-07-28")
SECONDS = 120.0
T = TypeVar("T")


def eventually(condition: Callable[[], T | None], *, within: float = SECONDS) -> T:
    """The first true value of the condition; fail if there is none in time, in seconds."""
    until = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.005)
    return value


NEWS = "notifications/resources/list_changed"


class Talk:
    """A raw client: lines to a pipe's stdin, messages from its stdout."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self, message: dict[str, Any] | bytes) -> None:
        assert self.process.stdin
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next message but those that nobody has asked for: they may come at any time."""
        assert self.process.stdout
        message = json.loads(self.process.stdout.readline())
        assert message["jsonrpc"] == "2.0"
        return self.hear() if message.get("method") == NEWS else dict(message)

    def ask(self, method: str, identity: int | str, **params: Any) -> dict[str, Any]:
        self.say(request(method, identity, **params))
        return self.hear()

    def initialize(self) -> dict[str, Any]:
        answer = self.ask("initialize", 0, **INITIALIZE)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, tool: str, identity: int | str, **arguments: Any) -> dict[str, Any]:
        return self.ask("tools/call", identity, name=tool, arguments=arguments)


INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}},
    "clientInfo": {"name": "raw", "version": "1"},
}


def request(method: str, identity: int | str, **params: Any) -> dict[str, Any]:
    return {"method": method, "params": params, "jsonrpc": "2.0", "id": identity}


def value(answer: dict[str, Any]) -> Any:
    return answer["result"]["structuredContent"]["result"]


class Household:
    """A user with a runtime folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "HOME": os.environ["HOME"],
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": str(folder),
        }

    @property
    def place(self) -> Place:
        return meeting_place(self.environment)

    def talk(self, *arguments: str, command: list[str] = PIPE) -> Talk:
        return Talk(
            subprocess.Popen(
                [*command, *arguments],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )

    def client(self, mode: str, **callbacks: Any) -> Client:
        pipe = StdioServerParameters(command=PIPE[0], args=PIPE[1:], env=self.environment)
        return Client(pipe, mode=mode, read_timeout_seconds=SECONDS, **callbacks)

    def resident(self) -> int:
        return eventually(lambda: resident_pid(self.place))

    def residents(self) -> list[int]:
        """All living processes that were ever told to serve here."""
        return [process.pid for process in psutil.process_iter() if self._is_resident(process)]

    def _is_resident(self, process: psutil.Process) -> bool:
        try:
            command = process.cmdline()
            return "--place" in command and any(str(self.folder) in part for part in command)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return False

    def clear(self) -> None:
        for pid in self.residents():
            os.kill(pid, 9)
        eventually(lambda: not self.residents())
