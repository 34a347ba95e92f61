"""Hearing of what others have changed: a connection of its own, for all in this process that listen."""

import asyncio
from collections.abc import Callable
from contextvars import Context

import asyncpg

from mcp_rag.announcements import Announcement, heard
from mcp_rag.errors import StoreError
from mcp_rag.log import logger
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.queries import sql

log = logger()

CHANNEL = "mcp_rag_waiting"
"""What `announce.sql` speaks to."""
CHECK_EVERY = 60.0
"""Seconds after which a silent connection is asked whether it still leads anywhere."""
ANSWERS_IN = 10.0
"""Seconds that it has to answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
"""Seconds before a lost connection is made anew; doubled each time that this fails."""

Hear = Callable[[Announcement | None], None]


class Listening:
    """One connection, from when somebody listens until nobody does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hear: dict[object, Hear] = {}
        self._running: asyncio.Task[None] | None = None
        self._connected = False

    async def listen(self, hear: Hear) -> None:
        """Call `hear` with each announcement, until cancelled.

        Also with None, which may mean any, from when all is heard: nobody knows what was said before. So
        whenever the connection was lost, and made anew.
        """
        listener = object()
        self._hear[listener] = hear
        if self._connected:
            hear(None)
        if self._running is None:
            # In a context of its own: it is of nobody's call.
            self._running = asyncio.create_task(self._run(), context=Context())
        try:
            await asyncio.shield(self._running)
        finally:
            del self._hear[listener]
            self._end_if_alone()

    def _end_if_alone(self) -> None:
        if not self._hear and self._running is not None:
            self._running.cancel()
            self._running, self._connected = None, False

    def _tell(self, announcement: Announcement | None) -> None:
        for hear in list(self._hear.values()):
            hear(announcement)

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._database.listening(
                    CHANNEL, lambda said: self._tell(heard(said))
                ) as connection:
                    self._connected = True
                    self._tell(None)
                    pause = FIRST_PAUSE
                    await _until_lost(connection)
            except StoreError as error:
                log.warning("does not hear of changes", cause=error.cause, retry_after=pause)
            self._connected = False
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _until_lost(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    while not lost.is_set() and not connection.is_closed():
        try:
            await asyncio.wait_for(lost.wait(), CHECK_EVERY)
        except TimeoutError:
            await connection.execute(sql("still_there"), timeout=ANSWERS_IN)
