"""How much waits to be embedded, asked by a connection of its own: it waits for no pool."""

from collections.abc import Callable
from contextlib import ExitStack

import asyncpg

from mcp_rag import segments
from mcp_rag.errors import StoreUnavailable
from mcp_rag.models import BacklogState
from mcp_rag.postgres.database import APPLICATION_ROLE
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.store import MOST_TRIES

SESSION = {
    "role": APPLICATION_ROLE,
    "application_name": "mcp-rag metrics",
    "jit": "off",
    "statement_timeout": "10s",
}


class Tally:
    """For one event loop, and for one task at a time."""

    def __init__(self, url: Callable[[], str | None]) -> None:
        """`url` gives None while it is not known yet."""
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def count(self) -> BacklogState:
        """Raises:
        StoreError: the database cannot be asked, or takes too long.
        """
        with translated(), ExitStack() as failed:
            failed.callback(self.close)
            connection = self._connection or await self._connect()
            row = await connection.fetchrow(sql("backlog"), segments.RECIPE, MOST_TRIES)
            failed.pop_all()
        assert row is not None
        return BacklogState(**row)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if (url := self._url()) is None:
            raise StoreUnavailable
        self._connection = await asyncpg.connect(url, timeout=10, server_settings=SESSION)
        return self._connection
