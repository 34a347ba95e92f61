"""Calls that take as long as a test needs: what they write is locked by somebody else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from tests.conftest import eventually

PATIENCE = 60.0
WAITING = """
    SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE NOT granted AND datname = current_database()
"""


@asynccontextmanager
async def withheld(
    owner: asyncpg.Connection, held: str = "LOCK TABLE conversation IN SHARE MODE"
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Nothing can be written, or what else is `held`; gives a way to wait until so many wait for it."""

    async def writers(number: int) -> None:
        async def waiting() -> bool:
            return bool(await owner.fetchval(WAITING) == number)

        await eventually(waiting, within=PATIENCE)

    async with owner.transaction():
        await owner.execute(held)
        yield writers


async def in_flight(owner: asyncpg.Connection, calls: int) -> None:
    """At least so many calls wait for what is withheld."""

    async def waiting() -> bool:
        return bool(await owner.fetchval(WAITING) >= calls)

    await eventually(waiting, within=PATIENCE)
