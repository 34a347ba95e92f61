"""`mcp-rag resident`: what `mcp-rag stdio` starts, and nobody types."""

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

from mcp_rag import log, resident
from mcp_rag.errors import RagError
from mcp_rag.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Serve the clients of this user until they have left. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="mcp-rag resident")
    parser.add_argument(
        "--place", type=Path, help="Path of the socket, the lock and the log, less the suffix."
    )
    parser.add_argument("--lock-fd", type=int, help="The lock, which whoever started this process has taken.")
    given = parser.parse_args(arguments)
    try:
        settings = Settings.read()
        log.configure(settings.log_level, settings.log_format)
        resident.run(
            lambda: _serving(settings),
            linger=settings.resident_linger,
            max_line_bytes=settings.max_message_mb * 1024 * 1024,
            place=given.place,
            lock_fd=given.lock_fd,
        )
    except RagError as error:
        sys.stderr.write(f"mcp-rag resident: {error}\n")
        return 1
    return 0


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[MCPServer[Any]]:
    # By now the clients can connect, and wait no longer in vain.
    from mcp_rag import server

    async with server.serving(settings) as served:
        yield served
