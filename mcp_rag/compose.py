"""The only wiring: settings to a running service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import chain, repeat
from typing import NamedTuple, Protocol

from mcp_rag import answering, caching, embedding, reranking
from mcp_rag.answering import redaction, tokens
from mcp_rag.briefs import Limits
from mcp_rag.errors import InvalidSettings, RagError, SchemaOutdated, StoreUnavailable
from mcp_rag.log import logger
from mcp_rag.ports import Answerer, Cache, Embedder, Rates, Reranker
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.identities import Identities
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings

log = logger()

RETRY_AFTER = (1.0, 2.0, 4.0)
"""Seconds until a database that could not be used is tried again, after each time."""


def create_database(settings: Settings) -> Database:
    """The configured database, not open yet."""
    pool_size, patience = settings.pool_size, settings.database_seconds
    if settings.database_url is None:
        server = EmbeddedServer(settings.embedded_data_dir)
        return Database(server=server, pool_size=pool_size, patience=patience)
    owner = settings.migration_database_url
    return Database(
        url=settings.database_url.get_secret_value(),
        owner_url=owner.get_secret_value() if owner else None,
        pool_size=pool_size,
        patience=patience,
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
        batch=settings.embedding_batch,
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


OPENAI = "https://api.openai.com/v1"


def create_answerer(settings: Settings) -> Answerer | None:
    """The configured writer of answers, or None where passages are quoted or the client's model writes.

    Raises:
        InvalidSettings: one is named that is not set up.
    """
    if settings.answerer == "anthropic" or (settings.answerer == "auto" and settings.anthropic_api_key):
        if settings.anthropic_api_key is None:
            raise InvalidSettings("MCP_RAG_ANSWERER is anthropic, and MCP_RAG_ANTHROPIC_API_KEY is not set.")
        return answering.anthropic(
            settings.anthropic_model,
            api_key=settings.anthropic_api_key.get_secret_value(),
            url=settings.anthropic_url,
            max_tokens=settings.answering_length,
        )
    configured = settings.openai_url or settings.openai_api_key
    if settings.answerer == "openai" or (settings.answerer == "auto" and configured):
        if not configured:
            raise InvalidSettings(
                "MCP_RAG_ANSWERER is openai, and neither MCP_RAG_OPENAI_URL nor _API_KEY is set."
            )
        return answering.openai(
            settings.openai_model,
            api_key=settings.openai_api_key.get_secret_value() if settings.openai_api_key else None,
            url=settings.openai_url or OPENAI,
            max_tokens=settings.answering_length,
        )
    return None


def limits(settings: Settings) -> Limits:
    return Limits(
        passages=settings.answering_passages,
        tokens=settings.answering_tokens,
        length=settings.answering_length,
        seconds=settings.answering_seconds,
        tokens_a_day=settings.daily_tokens,
    )


def create_rates(settings: Settings) -> Rates | None:
    """What counts calls, or None where there may be any number."""
    calls, together = settings.calls_per_minute, settings.tenant_calls_per_minute
    if not (calls or together or settings.tenant_mb_per_day):
        return None
    # It takes as long to import as all that a start needs.
    from mcp_rag.rates import Allowances, SlidingRates

    allowances = Allowances(calls=calls, tenant_calls=together, megabytes=settings.tenant_mb_per_day)
    return SlidingRates(allowances, redis_url=_redis_url(settings))


def create_cache(settings: Settings) -> Cache:
    """Where answers are kept; not connected yet.

    Raises:
        InvalidSettings: there is no such place.
    """
    return caching.create(_redis_url(settings))


def _redis_url(settings: Settings) -> str | None:
    return settings.redis_url.get_secret_value() if settings.redis_url else None


class Parts(NamedTuple):
    """What the doors are given."""

    rag: Rag
    identities: Identities
    database: Database


@asynccontextmanager
async def open_rag(settings: Settings, *, work: bool = True) -> AsyncIterator[Rag]:
    """The service alone, for who needs nobody identified."""
    async with open_parts(settings, work=work) as parts:
        yield parts.rag


@asynccontextmanager
async def open_parts(settings: Settings, *, work: bool = True) -> AsyncIterator[Parts]:
    """The service, with its database open, and who may call it.

    With `work`, the model is loaded in the background and passages that wait for a vector are embedded as
    they come, unless the settings leave that to workers; without, whoever needs the model asks for it
    (`rag.vectors.ready`).

    Raises:
        StoreUnavailable, SchemaOutdated, EmbeddedServerFailed: the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        database = create_database(settings)
        stack.push_async_callback(database.close)
        await database.open()
        rag = _rag(settings, database, stack)
        stack.push_async_callback(rag.vectors.close)
        if work:
            rag.vectors.start(work=settings.embed)
        yield Parts(rag, Identities(database), database)


def _rag(settings: Settings, database: Database, stack: AsyncExitStack) -> Rag:
    """The service of these settings; `stack` closes what it is made of."""
    if settings.redact:
        redaction.require()
    reranker, answerer = create_reranker(settings), create_answerer(settings)
    cache, rates = create_cache(settings), create_rates(settings)
    for part in (reranker, answerer, cache, rates):
        if part is not None:
            stack.push_async_callback(part.close)
    return Rag(
        Store(database),
        create_embedder(settings),
        answerer=answerer,
        reranker=reranker,
        reranking_budget=settings.reranking_budget_ms / 1000,
        limits=limits(settings),
        count=tokens.count,
        redact=settings.redact,
        cache=cache,
        asks_the_client=answerer is None and settings.answerer in ("auto", "sampling"),
        rates=rates,
    )


@asynccontextmanager
async def traced(settings: Settings, *, name: str = "mcp-rag") -> AsyncIterator[None]:
    """Send what this process does, as the service `name`, to the collector that is set, if one is."""
    if settings.otlp_url is None:
        yield
        return
    from mcp_rag import otlp

    provider = otlp.start(settings.otlp_url, name=name)
    try:
        yield
    finally:
        await asyncio.to_thread(otlp.stop, provider)


class Opening(Protocol):
    """Parts that may not be there yet."""

    @property
    def parts(self) -> Parts | None: ...


class Starting(Opening, Protocol):
    """What the doors stand before."""

    async def rag(self) -> Rag: ...

    async def identities(self) -> Identities: ...

    def begin(self) -> None: ...

    async def close(self) -> None: ...


def shared_secret(opening: Opening) -> bytes:
    """What all processes on the database know.

    Raises:
        StoreUnavailable: it is not open yet.
    """
    if opening.parts is None:
        raise StoreUnavailable
    return opening.parts.database.secret


class Startup:
    """The service while it starts, for doors that must answer before it has."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._parts: Parts | None = None
        self._opening = asyncio.Lock()
        self._eager: asyncio.Task[None] | None = None

    @property
    def parts(self) -> Parts | None:
        """What is open already; it may be looked at from any thread."""
        return self._parts

    async def rag(self) -> Rag:
        """The service, once it is open. A start that failed is tried again at each call.

        Raises:
            StoreError: the database cannot be used, and why.
        """
        return (await self._open()).rag

    async def identities(self) -> Identities:
        """Who may call; as `rag` otherwise."""
        return (await self._open()).identities

    def begin(self) -> None:
        """Start in the background, without waiting for the first call."""
        self._eager = asyncio.create_task(self._start())

    async def close(self) -> None:
        if self._eager is not None:
            self._eager.cancel()
            with suppress(asyncio.CancelledError):
                await self._eager
        await self._stack.aclose()

    async def _open(self) -> Parts:
        async with self._opening:
            if self._parts is None:
                self._parts = await self._stack.enter_async_context(open_parts(self._settings))
            return self._parts

    async def _start(self) -> None:
        """Again and again while the database cannot be used: who is not ready is sent no call to wake it."""
        for pause in chain(RETRY_AFTER, repeat(RETRY_AFTER[-1])):
            try:
                await self._open()
                return
            except RagError as error:
                log.error("not started", cause=error.cause, remedy=error.remedy)
                if not isinstance(error, StoreUnavailable | SchemaOutdated):
                    return
            await asyncio.sleep(pause)
