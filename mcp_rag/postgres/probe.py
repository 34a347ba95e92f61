"""Looking at the database beside the pool: whoever looks waits for nobody's work."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

import asyncpg

from mcp_rag.errors import StoreUnavailable
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql

PATIENCE = 2.0
"""Seconds that the database has to answer."""


class Probe:
    """One connection of its own, made when it is first needed and again after it failed.

    For one event loop, and for one task at a time.
    """

    def __init__(self, url: Callable[[], str | None]) -> None:
        """`url` gives None while it is not known yet."""
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def revision(self) -> str:
        """The revision of the schema.

        Raises:
            StoreUnavailable: the database does not answer.
            SchemaOutdated: it has no schema yet.
        """
        with translated(), ExitStack() as unanswered:
            # In the middle of a question nobody knows what the next answer would belong to.
            unanswered.callback(self.close)
            async with asyncio.timeout(PATIENCE):
                connection = self._connection or await self._connect()
                found: str = await connection.fetchval(sql("schema_revision"))
            unanswered.pop_all()
            return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if (url := self._url()) is None:
            raise StoreUnavailable
        self._connection = await asyncpg.connect(url, server_settings={"application_name": "mcp-rag health"})
        return self._connection
