"""Connections: a pool for the application's role, and the way back after the server went away."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pgvector.asyncpg import register_vector

from mcp_rag import telemetry
from mcp_rag.errors import StoreUnavailable
from mcp_rag.identity import DEFAULT_TENANT
from mcp_rag.postgres import schema
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.traced import TracedConnection

Connection = PoolConnectionProxy

APPLICATION_ROLE = "mcp_rag_app"
"""Owns nothing and is under row-level security, whoever logged in."""

PATIENCE = 30.0
SESSION = {
    "role": APPLICATION_ROLE,
    "application_name": "mcp-rag",
    "jit": "off",
    # What a machine held that has lost its power is free again after two minutes, not after two hours.
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "4",
    # The leg is 100 deep. Of the nearest 100 among 250,000 vectors the index finds 95.7 % at 400, 98.4 % at
    # 800 and 98.7 % at 1,000, which is pgvector's limit and takes a tenth longer (bench/README.md).
    "hnsw.ef_search": "1000",
    "hnsw.iterative_scan": "relaxed_order",
    # Where a filter leaves a tenth of a million, and few of a question's neighbourhood, 40,000 are too few.
    "hnsw.max_scan_tuples": "200000",
    # What an iterative scan remembers outgrows work_mem long before it has seen so many, and then it ends.
    "hnsw.scan_mem_multiplier": "8",
}


class Database:
    """A Postgres that is embedded (`server`) or anywhere else (`url`).

    Open it before use. Safe to use from any number of tasks.
    """

    def __init__(
        self,
        *,
        url: str = "",
        owner_url: str | None = None,
        server: EmbeddedServer | None = None,
        pool_size: int = 8,
        patience: float = PATIENCE,
    ) -> None:
        """`patience`: seconds that a free connection, and what is read in a transaction, are waited for."""
        self._patience = patience
        self._server = server
        self._url = url
        self._owner_url = owner_url or url
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._secret: bytes | None = None

    @property
    def url(self) -> str:
        """Of an embedded server, known once it was opened."""
        return self._url

    @property
    def owner_url(self) -> str:
        return self._owner_url

    @property
    def secret(self) -> bytes:
        """32 bytes that all processes on this database know, and nobody else.

        Raises:
            StoreUnavailable: it was not opened yet.
        """
        if self._secret is None:
            raise StoreUnavailable
        return self._secret

    @property
    def name(self) -> str:
        return "embedded" if self._server else "external"

    async def open(self) -> None:
        """Start the embedded server, bring the schema up to date, open the pool.

        Raises:
            StoreUnavailable: the server cannot be reached.
            SchemaOutdated: an external database must be migrated first.
        """
        if self._server is not None:
            await self._start(self._server)
        await schema.prepare(self._url, self._owner_url, always=self._server is not None)
        with translated():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._pool_size,
                init=register_vector,
                reset=_leave,
                connect=self._connect,
                connection_class=TracedConnection,
                server_settings=SESSION,
            )
            async with self._pool.acquire() as connection, connection.transaction(readonly=True):
                self._secret = await self._shared_secret(connection)
        telemetry.pool_opened(self._pool_size)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    @asynccontextmanager
    async def transaction(self, tenant_id: int, *, readonly: bool = False) -> AsyncIterator[Connection]:
        """One transaction that sees and writes the rows of one tenant.

        One that only reads has an end. What is written takes as long as it takes: much may be.
        """
        if self._pool is None:
            raise StoreUnavailable
        with translated():
            async with (
                telemetry.Held(self._pool.acquire(timeout=self._patience)) as connection,
                asyncio.timeout(self._patience if readonly else None),
                connection.transaction(readonly=readonly),
            ):
                await connection.execute(sql("set_tenant"), tenant_id)
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection that sees no tenant's rows, for a single statement."""
        if self._pool is None:
            raise StoreUnavailable
        with translated():
            async with (
                telemetry.Held(self._pool.acquire(timeout=self._patience)) as connection,
                asyncio.timeout(self._patience),
            ):
                yield connection

    @asynccontextmanager
    async def listening(
        self, channel: str, heard: Callable[[str], None]
    ) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection outside the pool, on which `heard` is called with what is said on the channel."""
        if self._pool is None:
            raise StoreUnavailable
        with translated():
            connection = await self._connect(self._url, server_settings=SESSION)
            try:
                await connection.add_listener(channel, lambda *said: heard(said[-1]))
                yield connection
            finally:
                # Nobody waits for a farewell: the server may be gone.
                connection.terminate()

    async def index_vectors(self, dimensions: int) -> None:
        """Make sure that vectors of this length have an index, where that is ours to do."""
        async with self.transaction(0, readonly=True) as connection:
            if await connection.fetchval(sql("vector_index"), dimensions):
                return
        await schema.index_vectors(self._owner_url, dimensions)

    async def _connect(self, *args: Any, **kwargs: Any) -> "asyncpg.Connection[asyncpg.Record]":
        try:
            return await asyncpg.connect(*args, **kwargs)
        except (OSError, asyncpg.CannotConnectNowError):
            if self._server is None:
                raise
        # The embedded server died, or its last other user took it down: ours to start again.
        await self._start(self._server)
        return await asyncpg.connect(*args, **kwargs)

    async def _shared_secret(self, connection: Connection) -> bytes:
        await connection.execute(sql("set_tenant"), DEFAULT_TENANT)
        key = await connection.fetchval(sql("tombstone_key"), DEFAULT_TENANT)
        return hmac.digest(key, b"mcp-rag: known to all processes", "sha256")

    async def _start(self, server: EmbeddedServer) -> None:
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        try:
            urls = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A thread goes on whatever is cancelled: what it has started is there to be stopped by `close`.
            await asyncio.wait({starting})
            raise
        self._url, self._owner_url = urls.application, urls.owner


async def _leave(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give a connection back as it is: what a transaction sets, locks and opens ends with it.

    The driver would ask the server to forget all that, after every transaction: a quarter of a millisecond.
    """
