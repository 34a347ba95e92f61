"""The product's server over HTTP, as a process of its own."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

from mcp import StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.free_ports import free_port
from tests.resident.household import ROOT, SECONDS, Household, eventually

MCP_RAG = (sys.executable, "-m", "mcp_rag")
START = 90.0
"""Seconds until it listens, on a machine that does much else."""


def pipe(home: Household) -> Any:
    """`mcp-rag stdio` of a user, for a client to start."""
    command, *arguments = [*MCP_RAG, "stdio"]
    return stdio_client(StdioServerParameters(command=command, args=arguments, env=home.environment))


class Serving:
    """`mcp-rag serve` as a process of its own, from when it listens until it is told to stop."""

    def __init__(self, *, command: Sequence[str] = MCP_RAG, **environment: str) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [*command, "serve", "--port", str(self.port)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self.__exit__)
            eventually(self.is_listening, within=START)
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def connect(self, transport: str) -> Any:
        if transport == "sse":
            return sse_client(self.url("sse"))
        return streamable_http_client(self.url("mcp"))

    def is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def stopped(self) -> tuple[int, bytes]:
        """Its exit status, and what came out of stdout, after it was told to stop."""
        out, _ = await asyncio.to_thread(self.process.communicate, timeout=SECONDS)
        return self.process.returncode, out
