"""The command line as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE = 180
MARK = "CLI_TEST_MARK"


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
        out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin, timeout=PATIENCE)
        finished = Finished(process.returncode, out.decode(), err.decode())
        assert finished.code == code, finished
        return finished

    def start(self, *arguments: str | Path, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "mcp_rag", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
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


def stopped(process: "subprocess.Popen[bytes]", number: signal.Signals) -> Finished:
    """What a process said that was told to stop."""
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    return Finished(process.returncode, out.decode(), err.decode())
