"""What is asked of the database beside the pool, for probes and metrics: it waits for nobody's work."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from typing import Any, ClassVar

import asyncpg

from mcp_rag import segments
from mcp_rag.errors import StoreUnavailable
from mcp_rag.models import BacklogState, TenantUsage
from mcp_rag.postgres.database import APPLICATION_ROLE
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.schema import State
from mcp_rag.postgres.store import MOST_TRIES


class Aside:
    """A connection of its own, made when it is first needed and again after it failed or was ended.

    For one event loop, and for one task at a time.
    """

    patience: ClassVar[float]
    """Seconds that the database has to answer."""
    session: ClassVar[dict[str, str]]

    def __init__(self, url: Callable[[], str | None]) -> None:
        """`url` gives None while it is not known yet."""
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _row(self, name: str, *args: Any) -> asyncpg.Record:
        rows = await self._rows(name, *args)
        assert rows
        return rows[0]

    async def _rows(self, name: str, *args: Any) -> list[asyncpg.Record]:
        with translated(), ExitStack() as unanswered:
            # In the middle of a question nobody knows what the next answer would belong to.
            unanswered.callback(self.close)
            async with asyncio.timeout(self.patience):
                kept = self._connection
                connection = kept if kept and not kept.is_closed() else await self._connect()
                rows = await connection.fetch(sql(name), *args)
            unanswered.pop_all()
        return list(rows)

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if (url := self._url()) is None:
            raise StoreUnavailable
        self._connection = await asyncpg.connect(url, server_settings=self.session)
        return self._connection


class Probe(Aside):
    """Whether the database answers. As whoever logs in: before it is migrated there are no roles."""

    patience = 2.0
    session: ClassVar = {"application_name": "mcp-rag health"}

    async def schema(self) -> State:
        """Raises:
        StoreUnavailable: the database does not answer.
        SchemaOutdated: it has no schema yet.
        """
        return State(*await self._row("schema_revision"))


class Tally(Aside):
    """How much waits to be embedded, of all tenants together, and what each of them uses."""

    patience = 10.0
    session: ClassVar = {"role": APPLICATION_ROLE, "application_name": "mcp-rag metrics", "jit": "off"}

    async def count(self) -> BacklogState:
        """Raises:
        StoreError: the database cannot be asked, or takes too long.
        """
        return BacklogState(**await self._row("backlog", segments.RECIPE, MOST_TRIES))

    async def usage(self, named: int, day: date) -> TenantUsage:
        """Of each measure, the tenants with the most, so many at most, and the others as one.

        Raises:
            StoreError: as `count`.
        """
        found: dict[str, dict[str, int]] = {"passages": {}, "tokens": {}}
        for measure, tenant, amount in await self._rows("tenant_usage", named, day):
            found[measure][tenant] = amount
        return TenantUsage(**found)
