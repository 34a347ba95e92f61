"""How much waits to be embedded, counted so that it costs nothing where nothing has changed."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mcp_rag import segments
from mcp_rag.errors import StoreUnavailable
from mcp_rag.postgres.database import APPLICATION_ROLE
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql

SESSION = {
    "role": APPLICATION_ROLE,
    "application_name": "mcp-rag metrics",
    "jit": "off",
    "statement_timeout": "10s",
}


@dataclass(frozen=True)
class Backlog:
    """Passages without a vector of the store's model, and since when there are such."""

    passages: int = 0
    since: datetime | None = None

    def __add__(self, other: "Backlog") -> "Backlog":
        times = [time for time in (self.since, other.since) if time is not None]
        return Backlog(self.passages + other.passages, min(times, default=None))


class Tally:
    """Counts by a connection of its own, over all tenants. For one event loop, and for one task at a time."""

    def __init__(self, url: Callable[[], str | None]) -> None:
        """`url` gives None while it is not known yet."""
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._counted: dict[int, tuple[object, Backlog]] = {}

    async def count(self) -> Backlog:
        """Raises:
        StoreError: the database cannot be asked, or takes too long.
        """
        with translated(), ExitStack() as failed:
            failed.callback(self.close)
            found = await self._count(self._connection or await self._connect())
            failed.pop_all()
            return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if (url := self._url()) is None:
            raise StoreUnavailable
        self._connection = await asyncpg.connect(url, timeout=10, server_settings=SESSION)
        return self._connection

    async def _count(self, connection: "asyncpg.Connection[asyncpg.Record]") -> Backlog:
        model = await connection.fetchval(sql("active_model"))
        tenants = [row[0] for row in await connection.fetch(sql("tenant_ids"))]
        self._counted = {tenant: await self._of(connection, tenant, model) for tenant in tenants}
        return sum((counted for _, counted in self._counted.values()), Backlog())

    async def _of(
        self, connection: "asyncpg.Connection[asyncpg.Record]", tenant_id: int, model: int | None
    ) -> tuple[object, Backlog]:
        """A tenant's, and the state of the store that it was counted in."""
        async with connection.transaction(readonly=True):
            await connection.execute(sql("set_tenant"), tenant_id)
            state = (model, await connection.fetchval(sql("state"), tenant_id, None))
            known = self._counted.get(tenant_id)
            if known is not None and known[0] == state:
                return known
            row = await connection.fetchrow(sql("count_waiting"), tenant_id, model, segments.RECIPE)
        assert row is not None
        return state, Backlog(**row)
