"""How many calls are worked on at once, and how many may wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp_rag import telemetry
from mcp_rag.errors import Overloaded


class Place:
    """Of one call, among those that are worked on."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places, self._is_taken = places, False

    async def take(self) -> None:
        await self._places.acquire()
        self._is_taken = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._places.release()

    @asynccontextmanager
    async def left(self) -> AsyncIterator[None]:
        """Somebody else's meanwhile; and taken again however many wait."""
        self.leave()
        called_off = False
        try:
            yield
        except asyncio.CancelledError:
            called_off = True
            raise
        finally:
            if not called_off:
                await self.take()


class Capacity:
    """Lets calls in as others leave. The queue has an end: who comes beyond it is told so at once.

    In a place nobody waits for a client: one that is slow, or deaf, would keep it from the others.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Wait for a place, and have it until the end.

        Raises:
            Overloaded: as many as may wait do already.
        """
        self.admit()
        async with self.turn() as place:
            yield place

    def admit(self) -> None:
        """Let in what will take its turns.

        Raises:
            Overloaded: as many as may wait do already.
        """
        if self._places.locked() and self._waiting >= self._most:
            telemetry.turned_away()
            raise Overloaded

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Place]:
        """A place for what was let in, however many wait."""
        place = Place(self._places)
        self._waiting += 1
        try:
            await place.take()
        finally:
            self._waiting -= 1
        try:
            yield place
        finally:
            place.leave()
