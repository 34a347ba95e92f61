"""Running the statements of `sql/` for one tenant."""

from collections.abc import Callable
from typing import Any

import asyncpg

from mcp_rag.postgres.database import Connection
from mcp_rag.postgres.queries import sql


class Statements:
    """A connection in a transaction of one tenant, whose id is the first argument of every statement."""

    def __init__(self, connection: Connection, tenant_id: int) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self.afterwards: list[Callable[[], object]] = []
        """What is to be done once this is committed, and not if it fails."""

    async def _fetch(self, name: str, *args: Any) -> list[asyncpg.Record]:
        return await self._connection.fetch(sql(name), self._tenant_id, *args)

    async def _row(self, name: str, *args: Any) -> asyncpg.Record | None:
        return await self._connection.fetchrow(sql(name), self._tenant_id, *args)

    async def _execute(self, name: str, *args: Any) -> None:
        await self._connection.execute(sql(name), self._tenant_id, *args)
