"""A small real MCP server, run as the resident's command: `python sample_server.py --place P --lock-fd N`."""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel

from mcp_rag import resident


class Consent(BaseModel):
    granted: bool


async def pid() -> int:
    return os.getpid()


async def lifespans(ctx: Context) -> int:
    return ENTERED.total()


async def echo(text: str) -> str:
    return text


async def repeat(size: int) -> str:
    return "x" * size


async def wait_for(path: str) -> int:
    """Says that it has begun, and waits for the file."""
    Path(f"{path}.begun-{os.getpid()}").touch()
    try:
        while not Path(path).exists():
            await anyio.sleep(0.01)
    except asyncio.CancelledError:
        Path(f"{path}.cancelled").touch()
        raise
    return os.getpid()


async def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def ask(ctx: Context) -> bool:
    answer = await ctx.elicit("May I?", Consent)
    return answer.action == "accept" and answer.data.granted


ENTERED: Counter[str] = Counter()


@asynccontextmanager
async def lifespan(server: MCPServer[None]) -> AsyncIterator[None]:
    ENTERED[server.name] += 1
    yield


@asynccontextmanager
async def serving() -> AsyncIterator[MCPServer[None]]:
    server = MCPServer("sample", lifespan=lifespan)
    for tool in (pid, lifespans, echo, repeat, wait_for, crash, ask):
        server.add_tool(tool)
    yield server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--place", type=Path)
    parser.add_argument("--lock-fd", type=int)
    arguments = parser.parse_args()
    if refusal := os.environ.get("SAMPLE_REFUSAL"):
        sys.exit(refusal)
    resident.run(
        serving,
        linger=float(os.environ.get("SAMPLE_LINGER", "60")),
        max_line_bytes=int(os.environ.get("SAMPLE_MAX_LINE_BYTES", str(64 * 1024 * 1024))),
        grace=float(os.environ.get("SAMPLE_GRACE", "20")),
        place=arguments.place,
        lock_fd=arguments.lock_fd,
    )


if __name__ == "__main__":
    main()
