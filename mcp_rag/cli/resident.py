"""`mcp-rag resident`: what `mcp-rag stdio` starts, and nobody types."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer

from mcp_rag import log, resident
from mcp_rag.errors import InvalidSettings, RagError
from mcp_rag.settings import Settings

if TYPE_CHECKING:
    from mcp_rag.compose import Startup
    from mcp_rag.sidecar import Sidecar

RETRY_AFTER = 30.0
"""Seconds until a port for probes that was taken is tried again."""

logger = log.logger()


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
        service = Service(settings)
        resident.run(
            service.serving,
            linger=settings.resident_linger,
            max_line_bytes=settings.max_message_mb * 1024 * 1024,
            place=given.place,
            lock_fd=given.lock_fd,
            leaves=service.leave,
        )
    except RagError as error:
        sys.stderr.write(f"mcp-rag resident: {error}\n")
        return 1
    return 0


class Service:
    """What the clients are served with; and probes of it, where somebody has chosen a port for them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sidecar: Sidecar | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[MCPServer[Any]]:
        # By now the clients can connect, and wait no longer in vain.
        from mcp_rag import server
        from mcp_rag.compose import Startup, traced

        startup = Startup(self._settings)
        tools = server.offered(self._settings.tools, only_reads=self._settings.read_only)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(traced(self._settings))
            if self._settings.chosen_health_port:
                probing = asyncio.create_task(self._probe(startup, stack))
                stack.callback(probing.cancel)
            yield await stack.enter_async_context(server.serving(startup, tools))

    def leave(self) -> None:
        if self._sidecar is not None:
            self._sidecar.leave()

    async def _probe(self, startup: "Startup", stack: AsyncExitStack) -> None:
        """Answer probes as soon as the port is free.

        Another resident may have it, of a version before this one or of other settings. That is no reason to
        leave an assistant without its memory.
        """
        from mcp_rag.sidecar import Sidecar

        told = False
        while self._sidecar is None:
            try:
                self._sidecar = stack.enter_context(Sidecar(startup, self._settings))
            except InvalidSettings as error:
                if not told:
                    logger.warning(
                        "no probes", cause=error.cause, remedy=error.remedy, retry_after=RETRY_AFTER
                    )
                told = True
                await asyncio.sleep(RETRY_AFTER)
