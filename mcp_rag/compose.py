"""The only wiring: settings to a running service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from mcp_rag import embedding, reranking
from mcp_rag.answering.extractive import Extractive
from mcp_rag.errors import RagError
from mcp_rag.log import logger
from mcp_rag.ports import Embedder, Reranker
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings

log = logger()


def create_database(settings: Settings) -> Database:
    """The configured database, not open yet."""
    if settings.database_url is None:
        server = EmbeddedServer(settings.embedded_data_dir)
        return Database(server=server, pool_size=settings.pool_size)
    owner = settings.migration_database_url
    return Database(
        url=settings.database_url.get_secret_value(),
        owner_url=owner.get_secret_value() if owner else None,
        pool_size=settings.pool_size,
    )


def create_embedder(settings: Settings) -> Embedder:
    """The configured embedding model, not loaded yet."""
    key = settings.embedding_api_key
    return embedding.create(
        settings.embedding_provider,
        settings.embedding_model,
        model_path=settings.model_path,
        allow_download=settings.allow_download,
        threads=settings.embedding_threads,
        url=settings.embedding_url,
        api_key=key.get_secret_value() if key else None,
    )


def create_reranker(settings: Settings) -> Reranker | None:
    """The configured reranking model, not loaded yet, or None where there is to be no second stage."""
    if settings.reranking_provider == "none":
        return None
    return reranking.create(
        settings.reranking_provider,
        settings.reranking_model,
        allow_download=settings.allow_download,
        threads=settings.embedding_threads,
    )


@asynccontextmanager
async def open_rag(settings: Settings, *, work: bool = True) -> AsyncIterator[Rag]:
    """The service, with its database open.

    With `work`, the model is loaded in the background and passages that wait for a vector are embedded as
    they come; without, whoever needs the model asks for it (`rag.vectors.ready`).

    Raises:
        StoreUnavailable, SchemaOutdated, EmbeddedServerFailed: the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        database = create_database(settings)
        stack.push_async_callback(database.close)
        await database.open()
        reranker = create_reranker(settings)
        if reranker is not None:
            stack.push_async_callback(reranker.close)
        rag = Rag(
            Store(database),
            create_embedder(settings),
            Extractive(),
            reranker=reranker,
            reranking_budget=settings.reranking_budget_ms / 1000,
        )
        stack.push_async_callback(rag.vectors.close)
        if work:
            rag.vectors.start()
        yield rag


class Startup:
    """The service while it starts, for doors that must answer before it has."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._rag: Rag | None = None
        self._opening = asyncio.Lock()
        self._eager: asyncio.Task[None] | None = None

    async def rag(self) -> Rag:
        """The service, once it is open. A start that failed is tried again at each call.

        Raises:
            StoreError: the database cannot be used, and why.
        """
        async with self._opening:
            if self._rag is None:
                self._rag = await self._stack.enter_async_context(open_rag(self._settings))
            return self._rag

    def begin(self) -> None:
        """Start in the background, without waiting for the first call."""
        self._eager = asyncio.create_task(self._start())

    async def close(self) -> None:
        if self._eager is not None:
            self._eager.cancel()
            with suppress(asyncio.CancelledError):
                await self._eager
        await self._stack.aclose()

    async def _start(self) -> None:
        try:
            await self.rag()
        except RagError as error:
            log.error("not started", cause=error.cause, remedy=error.remedy)
