"""Hearing of work that waits: a connection of its own, for as long as the process lives."""

import asyncio
from collections.abc import Callable

import asyncpg

from mcp_rag.errors import StoreError
from mcp_rag.log import logger
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.queries import sql

log = logger()

CHANNEL = "mcp_rag_waiting"
"""What `notify_waiting.sql` speaks to."""
CHECK_EVERY = 60.0
"""Seconds after which a silent connection is asked whether it still leads anywhere."""
ANSWERS_IN = 10.0
"""Seconds that it has to answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a lost connection is made anew; doubled each time that this fails."""


async def listen(database: Database, heard: Callable[[int | None], None]) -> None:
    """Call `heard` with each tenant that may have got work, until cancelled.

    Also with None, for any tenant, whenever a connection was made: nobody knows what was said before.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            async with database.listening(CHANNEL, lambda said: heard(_tenant(said))) as connection:
                heard(None)
                pause = FIRST_PAUSE
                await _until_lost(connection)
        except StoreError as error:
            log.warning("does not hear of new passages", cause=error.cause, retry_after=pause)
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


def _tenant(said: str) -> int | None:
    """Anybody may speak on the channel; what is no tenant's number means: look everywhere."""
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None
