"""The command line as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil

ROOT = Path(__file__).parents[2]
PATIENCE = 180
MARK = "CLI_TEST_MARK"
T = TypeVar("T")


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Command:
    """`mcp-rag` with an environment. `None` takes a variable away."""

    def __init__(self, home: Path, **environment: str | None) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_CONFIG", "CODEX_"))
        }
        changed = {"HOME": str(home), "PYTHONPATH": str(ROOT), "NO_COLOR": None, **environment}
        self.mark = uuid.uuid4().hex
        merged: Mapping[str, str | None] = {**kept, **changed, MARK: self.mark}
        self.home = home
        self.environment = {name: value for name, value in merged.items() if value is not None}

    def with_environment(self, **environment: str | None) -> "Command":
        return Command(self.home, **{**self.environment, **environment})

    def __call__(
        self, *arguments: str | Path, stdin: str | bytes = b"", cwd: Path | None = None, code: int = 0
    ) -> Finished:
        """Run it to its end, which must have this exit code."""
        process = self.start(*arguments, cwd=cwd)
        finished = finish(process, stdin.encode() if isinstance(stdin, str) else stdin)
        assert finished.code == code, finished
        return finished

    def start(
        self, *arguments: str | Path, cwd: Path | None = None, log: Path | None = None
    ) -> "subprocess.Popen[bytes]":
        """Where nobody reads what it says, it says it into a `log`, and is never kept from saying it."""
        with log.open("ab") if log else nullcontext(subprocess.PIPE) as said:
            return subprocess.Popen(
                [sys.executable, "-m", "mcp_rag", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=self.environment,
                cwd=cwd or self.home,
            )

    def processes(self) -> list[psutil.Process]:
        """All that live of what it has started, at any remove."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark
        except (psutil.Error, OSError):
            return False


def until(condition: Callable[[], T], process: "subprocess.Popen[bytes]") -> T:
    """The first true value of the condition, which comes while the process lives."""
    while not (value := condition()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return value


def finish(process: "subprocess.Popen[bytes]", stdin: bytes | None = None) -> Finished:
    """What a process said until its end. One that does not end fails its own test and outlives none."""
    try:
        out, err = process.communicate(stdin, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Finished(process.returncode, out.decode(), err.decode())


def stopped(process: "subprocess.Popen[bytes]", number: signal.Signals) -> Finished:
    """What a process said that was told to stop."""
    process.send_signal(number)
    return finish(process)


def said(process: "subprocess.Popen[bytes]", what: str) -> str:
    """The base URL that a server says on a line with this word."""
    assert process.stderr is not None
    for line in process.stderr:
        if what in line.decode() and (found := re.search(r"http://127\.0\.0\.1:\d+", line.decode())):
            return found[0]
    raise AssertionError(f"It said nothing of {what}.")


async def is_ready(probes: str) -> bool:
    """Whether the server with its probes there can serve."""
    try:
        return httpx2.get(f"{probes}/readyz", timeout=PATIENCE).status_code == 200
    except httpx2.TransportError:
        return False


def ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process, if it must be by force."""
    process.terminate()
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
