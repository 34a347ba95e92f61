"""An embedder whose model runs in this process, on two threads: one for passages, one for questions."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcp_rag.errors import EmbeddingUnavailable, ModelNotFound, NotReady
from mcp_rag.models import EmbeddingModel
from mcp_rag.ports import Vectors

T = TypeVar("T")
BATCH = 64
"""What is lost when the process dies is less than that, and the model finds enough of like length in it."""
Rows = NDArray[np.intp]


class Encoder(Protocol):
    """A model in memory. One thread asks it for passages while another asks it for queries."""

    @property
    def model(self) -> EmbeddingModel: ...

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[Rows, Vectors]]:
        """The vectors, batch by batch, each batch with the rows that it fills."""

    def query(self, text: str) -> Vectors: ...


class LocalEmbedder:
    """The port `Embedder` over an encoder, which `open_encoder` brings into memory."""

    def __init__(self, open_encoder: Callable[[], Encoder]) -> None:
        self._open_encoder = open_encoder
        self._encoder: Encoder | None = None
        self._passages = ThreadPoolExecutor(1, thread_name_prefix="embed-passages")
        self._queries = ThreadPoolExecutor(1, thread_name_prefix="embed-queries")
        self._closed = False

    @property
    def model(self) -> EmbeddingModel:
        if self._encoder is None:
            raise NotReady("The embedding model is not loaded yet.")
        return self._encoder.model

    @property
    def batch(self) -> int:
        return BATCH

    async def load(self) -> None:
        await self._loaded()

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        encoder = await self._loaded()
        vectors = np.zeros((len(texts), encoder.model.dimensions), np.float32)
        batches = encoder.passages(texts)
        # The event loop is passed between batches: a caller that is cancelled stops after the current one.
        while (batch := await self._in(self._passages, lambda: next(batches, None))) is not None:
            rows, values = batch
            vectors[rows] = values
        return vectors

    async def embed_query(self, text: str) -> Vectors:
        encoder = await self._loaded()
        return await self._in(self._queries, lambda: encoder.query(text))

    async def close(self) -> None:
        self._closed = True
        for thread in (self._queries, self._passages):
            await asyncio.to_thread(thread.shutdown)
        self._encoder = None

    async def _loaded(self) -> Encoder:
        if self._encoder is not None and not self._closed:
            return self._encoder
        return await self._in(self._passages, self._load)

    def _load(self) -> Encoder:
        # Runs in the one passages thread, so that the model is opened once, however many ask for it.
        if self._encoder is None:
            try:
                self._encoder = self._open_encoder()
            except OSError as error:
                raise ModelNotFound(f"The embedding model's files cannot be read: {error}.") from error
        return self._encoder

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._closed:
            raise EmbeddingUnavailable("The embedding model was closed.", remedy="Start the server again.")
        return await asyncio.get_running_loop().run_in_executor(thread, work)
