"""The passages that wait for a vector or to be indexed again, and the work of giving them that.

A vector is derived: a passage without one is the work list itself, so nothing is lost when this process
dies, and any number of processes can share the work.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from mcp_rag import reindexing, surroundings
from mcp_rag.errors import ModelMismatch, RagError
from mcp_rag.log import logger
from mcp_rag.models import Embedded, Waiting
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import Store, Transaction

log = logger()

BATCH = 64
"""Passages that are embedded and committed together."""
SIDE_BY_SIDE = 2
"""One batch is written while the next is embedded."""
LOOK_AGAIN = 60.0
"""Seconds after which what other processes have stored is looked for, without being woken."""
RETRY_AFTER = 30.0
"""Seconds to wait when the model or the database failed."""


class Backlog:
    """Fills in missing vectors of one model."""

    def __init__(self, store: Store, embedder: Embedder, model_key: int, *, beside: bool = False) -> None:
        """For the store's model; or, `beside` it, for the one that will be."""
        self._beside = beside
        self._store = store
        self._embedder = embedder
        self._model_key = model_key
        self._wanted = asyncio.Event()
        self._wanted.set()
        # Whoever asks for all to be embedded waits for what this process is embedding already.
        self._draining = asyncio.Lock()

    def wake(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Work whenever woken, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.drain()
            except RagError as error:
                log.warning("backlog waits", cause=error.cause, retry_after=RETRY_AFTER)
                await asyncio.sleep(RETRY_AFTER)
                self._wanted.set()

    async def drain(self, progress: Callable[[int], None] | None = None) -> int:
        """Embed every passage that waits, of every tenant; `progress` hears of each batch.

        Raises:
            EmbeddingFailed: the model refused a batch; what was embedded before it is committed.
            StoreUnavailable: the database went away; likewise.
        """
        async with self._draining:
            return sum(
                [await self._drain(tenant_id, progress) for tenant_id in await self._store.tenant_ids()]
            )

    async def _drain(self, tenant_id: int, progress: Callable[[int], None] | None) -> int:
        # First, because they need no model, which may fail; and languages before the index that goes by them.
        await surroundings.tend(self._store, tenant_id)
        await reindexing.tend(self._store, tenant_id)
        workers = [self._fill(tenant_id, progress) for _ in range(SIDE_BY_SIDE)]
        return sum(await asyncio.gather(*workers))

    async def _fill(self, tenant_id: int, progress: Callable[[int], None] | None) -> int:
        done = 0
        after: int | None = 0
        while after is not None:
            batch, after = await self._batch(tenant_id, after)
            done += batch
            if progress and batch:
                progress(batch)
        return done

    async def _batch(self, tenant_id: int, after: int) -> tuple[int, int | None]:
        async with self._store.transaction(tenant_id) as tx:
            await self._confirm(tx)
            waiting, last = await tx.claim_waiting(self._model_key, after=after, limit=BATCH)
            if waiting:
                await tx.insert_vectors(self._model_key, await self._embed(waiting))
        return len(waiting), last

    async def _embed(self, waiting: Sequence[Waiting]) -> list[Embedded]:
        """One call for both texts of each passage: the model runs those of like length together."""
        replies = [passage.reply for passage in waiting if passage.reply is not None]
        vectors = await self._embedder.embed_passages([*(passage.text for passage in waiting), *replies])
        alone, after = vectors[: len(waiting)], iter(vectors[len(waiting) :])
        return [
            Embedded(passage.passage_key, vector, None if passage.reply is None else next(after))
            for passage, vector in zip(waiting, alone, strict=True)
        ]

    async def _confirm(self, tx: Transaction) -> None:
        active = await tx.active_model()
        if not self._beside and active is not None and active[0] != self._model_key:
            raise ModelMismatch(f"The store was switched to {active[1].name}.")
