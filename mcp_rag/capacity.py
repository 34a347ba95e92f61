"""How many calls are worked on at once, and how many may wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp_rag import telemetry
from mcp_rag.errors import Overloaded


class Capacity:
    """Lets calls in as others leave. The queue has an end: who comes beyond it is told so at once.

    In a place nobody waits for a client: one that is slow, or deaf, would keep it from the others.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and have it until the end.

        Raises:
            Overloaded: as many as may wait do already.
        """
        self.admit()
        async with self.turn():
            yield

    def admit(self) -> None:
        """Let in what will take its turns.

        Raises:
            Overloaded: as many as may wait do already.
        """
        if self._places.locked() and self._waiting >= self._most:
            telemetry.turned_away()
            raise Overloaded

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place for what was let in, however many wait."""
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
