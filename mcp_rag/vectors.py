"""The embedding model while it loads, serves and changes, and the work of embedding that waits for it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from mcp_rag.backlog import LOOK_AGAIN, Backlog
from mcp_rag.errors import (
    EmbeddingFailed,
    ModelMismatch,
    NotReady,
    RagError,
    StoreError,
    StoreUnavailable,
)
from mcp_rag.log import logger
from mcp_rag.models import EmbeddingModel
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import Store, Transaction

log = logger()

RETRY_AFTER = 30.0
"""Seconds until an embedding service that could not be reached is tried again."""
PATIENCE = 10.0
"""Seconds that a search waits for a question's vector before it goes by words alone."""
UNUSED_DIMENSIONS = 384
"""What the search statement speaks of while there is no model and so no vector."""


class Vectors:
    """Whether there is a model, and what it makes. Search works without; it says so."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._running: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._backlog: Backlog | None = None
        self._failure: RagError | None = None
        self.model_key: int | None = None

    @property
    def model(self) -> EmbeddingModel | None:
        return self._embedder.model if self.model_key is not None else None

    @property
    def dimensions(self) -> int:
        return self.model.dimensions if self.model else UNUSED_DIMENSIONS

    @property
    def notice(self) -> str | None:
        """Why search goes by words alone, when it does."""
        if self.model_key is not None:
            return None
        if self._failure is not None:
            return f"Found by words alone: {self._failure}"
        return "Found by words alone: the embedding model is still loading."

    def start(self, *, work: bool = True, look_every: float = LOOK_AGAIN) -> None:
        """Load the model in the background; then, if `work`, embed what waits whenever there is something.

        That is heard of; what was not heard of is looked for `look_every` so many seconds.
        """
        self._running = self._running or asyncio.create_task(self._run(work, look_every))

    async def ready(self) -> None:
        """Wait until the model is loaded.

        Raises:
            ModelError: it cannot be, and why.
        """
        self.start(work=False)
        assert self._running is not None
        await self._tried.wait()
        if self._running.done():
            self._running.result()
        if self._failure is not None:
            raise self._failure

    async def work(self, *, look_every: float = LOOK_AGAIN) -> None:
        """Embed what waits, whenever there is something, until cancelled.

        Raises:
            ModelError: the model cannot be had; one whose service is down is waited for.
        """
        self.start(look_every=look_every)
        assert self._running is not None
        await self._running
        if self._failure is not None:
            raise self._failure

    def wake(self, tenant_id: int) -> None:
        """There may be passages of a tenant without a vector."""
        if self._backlog is not None:
            self._backlog.wake(tenant_id)

    async def try_again(self) -> int:
        """Have what was set aside tried again, of every tenant; gives the number of passages."""
        tried = 0
        for tenant_id in await self._store.tenant_ids():
            async with self._store.transaction(tenant_id) as tx:
                tried += await tx.try_again()
                await tx.announce()
        return tried

    async def drain(self, progress: Callable[[int], None] | None = None) -> int:
        """Embed all that waits, now. `progress` hears how many passages each batch had."""
        await self.ready()
        if self._backlog is None:
            raise NotReady
        return await self._backlog.drain(progress)

    async def of_query(self, text: str) -> tuple[NDArray[np.float32] | None, str | None]:
        """A question's vector, or None and why search must go by words alone.

        Raises:
            ModelMismatch: the store's vectors are of another model.
        """
        if isinstance(self._failure, ModelMismatch):
            raise self._failure
        if self.notice:
            return None, self.notice
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._embedder.embed_query(text), None
        except EmbeddingFailed as error:
            return None, f"Found by words alone: {error}"
        except TimeoutError:
            return None, f"Found by words alone: the embedding model took more than {PATIENCE:g} s."

    async def of_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """One vector for each text, by a model that is loaded.

        Raises:
            EmbeddingFailed: the model refused the texts.
        """
        return await self._embedder.embed_passages(texts)

    async def replace_model(self, progress: Callable[[int], None] | None = None) -> int:
        """Fill in this model's vectors beside those of the store's present model, then switch to them.

        Searches go on with the present model until the moment of the switch. Gives the number of passages.
        What the new model cannot embed stays without a vector; what the old one could not is tried again.
        """
        await self.try_again()
        await self._embedder.load()
        model = self._embedder.model
        await self._store.database.index_vectors(model.dimensions)
        async with self._store.transaction(0) as tx:
            key = await tx.register_model(model)
        filling = Backlog(self._store, self._embedder, key, beside=True)
        done = await filling.drain(progress)
        # What others held for a moment was passed over: nothing may be without a vector after the switch.
        while await self._incomplete(key):
            await asyncio.sleep(1)
            done += await filling.drain(progress)
        async with self._store.transaction(0) as tx:
            await tx.lock_models()
            await tx.activate_model(key)
        for tenant_id in await self._store.tenant_ids():
            async with self._store.transaction(tenant_id) as tx:
                await tx.delete_other_vectors(key)
        self._failure, self.model_key = None, key
        self._backlog = Backlog(self._store, self._embedder, key)
        return done

    async def confirm(self, tx: Transaction) -> None:
        """Make sure that the store's model is still this one.

        Raises:
            ModelMismatch: another process has switched the store to another model.
        """
        active = await tx.active_model()
        if active is not None and active[0] != self.model_key:
            raise _mismatch(active[1], self._embedder.model)

    async def _incomplete(self, model_key: int) -> bool:
        for tenant_id in await self._store.tenant_ids():
            async with self._store.transaction(tenant_id, readonly=True) as tx:
                counts = await tx.counts(model_key)
            if counts["vectors"] + counts["failed"] < counts["passages"]:
                return True
        return False

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError, RagError):
                await self._running
        await self._embedder.close()

    async def _run(self, work: bool, look_every: float) -> None:
        while await self._fails_for_now():
            # A service that is down now may be up in a while; search goes by words until then.
            await asyncio.sleep(RETRY_AFTER)
        if work and self._backlog is not None:
            await self._backlog.run(look_every)

    async def _fails_for_now(self) -> bool:
        """Load the model; whether that has failed for a reason that may pass."""
        try:
            await self._load()
        finally:
            self._tried.set()
        return isinstance(self._failure, EmbeddingFailed | StoreUnavailable)

    async def _load(self) -> None:
        try:
            await self._embedder.load()
            key = await self._adopt(self._embedder.model)
        except RagError as error:
            log.error("no embedding model", cause=error.cause, remedy=error.remedy)
            self._failure = error
            return
        self._failure = None
        self._backlog = Backlog(self._store, self._embedder, key)
        self.model_key = key

    async def _adopt(self, model: EmbeddingModel) -> int:
        """The key of the store's model, which is this one or becomes it in an empty store."""
        try:
            await self._store.database.index_vectors(model.dimensions)
        except StoreError as error:
            # Right all the same, only slower: the role that logged in may not own the table.
            log.warning("no index for the vectors", cause=error.cause, remedy="Run `mcp-rag migrate`.")
        async with self._store.transaction(0) as tx:
            await tx.lock_models()
            active = await tx.active_model()
            if active is None:
                key = await tx.register_model(model)
                await tx.activate_model(key)
                return key
        key, stored = active
        if stored != model:
            raise _mismatch(stored, model)
        return key


def _mismatch(stored: EmbeddingModel, model: EmbeddingModel) -> ModelMismatch:
    return ModelMismatch(
        f"The store was embedded with {stored.name} ({stored.fingerprint[:12]}), not with "
        f"{model.name} ({model.fingerprint[:12]}), and vectors of two models are never compared."
    )
