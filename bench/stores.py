"""Stores to measure: a server for the run, a database for each store, filled through the product's door."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from mcp_rag.models import EmbeddingModel, NewConversation
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag

Vectors = NDArray[np.float32]
Progress = Callable[[str], None]


class Lent:
    """The model, which the stores share: closing one of them does not close it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.load, self.embed_query = embedder.load, embedder.embed_query

    @property
    def model(self) -> EmbeddingModel:
        return self._embedder.model

    @property
    def batch(self) -> int:
        return self._embedder.batch

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return await self._embedder.embed_passages(texts)

    async def close(self) -> None:
        """It stays."""


@contextmanager
def server() -> Iterator[str]:
    """The owner's URL of a server that is removed at the end."""
    with TemporaryDirectory(prefix="mcp-rag-bench-") as folder:
        embedded = EmbeddedServer(Path(folder))
        try:
            yield embedded.start().owner
        finally:
            embedded.destroy()


@asynccontextmanager
async def empty_store(server_url: str, embedder: Embedder) -> AsyncIterator[tuple[Rag, str]]:
    """A service on a database of its own, its model ready, and the owner's URL of that database."""
    url = await create_database(server_url)
    async with opened(url, embedder) as rag:
        yield rag, url


@asynccontextmanager
async def opened(url: str, embedder: Embedder, **parts: Any) -> AsyncIterator[Rag]:
    """A service on the database, with these parts; its model is ready."""
    database = Database(url=url)
    await database.open()
    rag = Rag(Store(database), embedder, **parts)
    try:
        rag.vectors.start(work=False)
        await rag.vectors.ready()
        yield rag
    finally:
        await rag.vectors.close()
        await database.close()


async def store_all(rag: Rag, conversations: Iterable[NewConversation]) -> int:
    """Ingest them; gives the number of passages."""
    stored = 0
    for each in conversations:
        receipt = await rag.ingest(
            each.conversation_id,
            each.messages,
            title=each.title,
            source=each.source,
            tags=each.tags,
            kind=each.kind,
        )
        stored += receipt.pending
    return stored


async def create_database(server_url: str) -> str:
    """An empty database of its own; gives the owner's URL."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    head, _, query = server_url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"
