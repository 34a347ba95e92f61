"""Programs from npm, and how they reach the product."""

import asyncio
import json
import os
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.resident.household import Household
from tests.serve_process import MCP_RAG, Serving

NODE = Path(__file__).parent / "node"
PATIENCE = 120
"""Seconds that a program may take."""
SDKS = [("v1", None, None), ("v2", None, "2025-11-25"), ("v2", "auto", "2026-07-28")]
"""Which TypeScript SDK, how it is to choose a revision, and which one it says that it has."""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a program that package.json names did, under the node that package.json names."""
    return subprocess.run(
        command,
        cwd=NODE,
        env={**_environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[Process]:
    """The same for one that is spoken with while it runs."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=NODE, env=_environment(), stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    path = f"{NODE / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


def reached(serving: Serving, home: Household, transport: str) -> dict[str, Any]:
    """What a client of the TypeScript SDK is told of the product."""
    command, *arguments = MCP_RAG
    ways: dict[str, dict[str, Any]] = {
        "http": {"url": serving.url("mcp")},
        "sse": {"url": serving.url("sse")},
        "stdio": {"command": command, "args": [*arguments, "stdio"], "env": home.environment},
    }
    return {"transport": transport, **ways[transport]}


class Steps:
    """What a client of the TypeScript SDK said of its way."""

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self._all: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def every(self, step: str, **what: str) -> list[dict[str, Any]]:
        return [each for each in self._all if each.items() >= {"step": step, **what}.items()]

    def one(self, step: str) -> dict[str, Any]:
        (only,) = self.every(step)
        return only

    def by(self, step: str, name: str, what: str) -> dict[str, Any]:
        return {each[name]: each[what] for each in self.every(step)}
