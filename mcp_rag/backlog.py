"""The passages that wait for a vector or to be indexed again, and the work of giving them that.

A vector is derived: a passage without one is the work list itself, so nothing is lost when this process
dies, and any number of processes can share the work. Who is at work hears of every ingest at once, and looks
by itself now and then, in case that it did not.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mcp_rag import bisection, reindexing, surroundings, telemetry, tracing
from mcp_rag.announcements import Announcement
from mcp_rag.errors import EmbeddingFailed, ModelMismatch, RagError, StoreError, StoreUnavailable
from mcp_rag.log import logger
from mcp_rag.models import Waiting
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import Store, Transaction

log = logger()

SIDE_BY_SIDE = 2
"""One batch is written while the next is embedded."""
LOOK_AGAIN = 60.0
"""Seconds after which what other processes have stored is looked for, without being woken."""
RETRY_AFTER = 30.0
"""Seconds to wait when the model or the database failed."""
REPORT_EVERY = 10.0
"""Seconds between two words on how a long piece of work goes on."""

Progress = Callable[[int], None]


class Wanted:
    """Which tenants may have work. `None` stands for any."""

    def __init__(self) -> None:
        self._tenants: set[int | None] = {None}
        self._some = asyncio.Event()
        self._some.set()

    def add(self, tenant_id: int | None) -> None:
        self._tenants.add(tenant_id)
        self._some.set()

    async def within(self, seconds: float) -> None:
        """Wait until there are some, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._some.wait()

    def take(self) -> set[int] | None:
        """Those that were added since, or None for all: also where none was, because it was time to look."""
        taken, self._tenants = self._tenants, set()
        self._some.clear()
        return {tenant for tenant in taken if tenant is not None} if taken and None not in taken else None


class Report:
    """Says in the log how many passages were embedded: after a while, and at the end."""

    def __init__(self) -> None:
        self._unsaid, self._said_at = 0, time.monotonic()

    def __call__(self, passages: int) -> None:
        self._unsaid += passages
        if time.monotonic() - self._said_at >= REPORT_EVERY:
            self.end()

    def end(self) -> None:
        if self._unsaid:
            log.info("embedded", passages=self._unsaid)
        self._unsaid, self._said_at = 0, time.monotonic()


class Backlog:
    """Fills in missing vectors of one model."""

    def __init__(self, store: Store, embedder: Embedder, model_key: int, *, beside: bool = False) -> None:
        """For the store's model; or, `beside` it, for the one that will be."""
        self._beside = beside
        self._store = store
        self._embedder = embedder
        self._model_key = model_key
        self._wanted = Wanted()
        self._failed = False
        # Whoever asks for all to be embedded waits for what this process is embedding already.
        self._draining = asyncio.Lock()

    def wake(self, tenant_id: int | None = None) -> None:
        """There may be work, for this tenant or for any."""
        self._wanted.add(tenant_id)

    async def run(self, look_every: float = LOOK_AGAIN) -> None:
        """Work whenever something is stored, by whichever process, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store.listen(self._hear))
            tasks.create_task(self._work(look_every))

    def _hear(self, announcement: Announcement | None) -> None:
        self.wake(announcement.tenant_id if announcement else None)

    async def _work(self, look_every: float) -> None:
        report = Report()
        while True:
            await self._wanted.within(min(look_every, RETRY_AFTER) if self._failed else look_every)
            self._failed = False
            try:
                await self.drain(report, tenants=self._wanted.take())
            except RagError as error:
                await self._recover(error)
            report.end()

    async def _recover(self, error: RagError) -> None:
        # What a service has said may repeat a text.
        cause = error.bare if isinstance(error, EmbeddingFailed) else error.cause
        log.warning("backlog waits", cause=cause, retry_after=RETRY_AFTER)
        telemetry.embedding_interrupted(by_database=isinstance(error, StoreError))
        if isinstance(error, StoreUnavailable):
            # Whoever listens says when the database is back.
            await self._wanted.within(RETRY_AFTER)
        else:
            await asyncio.sleep(RETRY_AFTER)
        self.wake()

    async def drain(self, progress: Progress | None = None, *, tenants: set[int] | None = None) -> int:
        """Embed every passage that waits, of these tenants or of all; `progress` hears of each batch.

        What the model cannot embed is passed over, and after a few tries on different occasions set aside.

        Raises:
            EmbeddingFailed: the model cannot be used; what was embedded before is committed.
            StoreUnavailable: the database went away; likewise.
        """
        async with self._draining:
            known = await self._store.tenant_ids()
            return await self._drain([each for each in known if tenants is None or each in tenants], progress)

    async def _drain(self, tenants: list[int], progress: Progress | None) -> int:
        for tenant_id in tenants:
            # First, because they need no model, which may fail; and languages before the index by them.
            await surroundings.tend(self._store, tenant_id)
            await reindexing.tend(self._store, tenant_id)
        # One batch of each tenant after the other, so that nobody waits for all of somebody else's.
        todo = deque((tenant_id, 0) for _ in range(SIDE_BY_SIDE) for tenant_id in tenants)
        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._fill(todo, progress)) for _ in range(SIDE_BY_SIDE)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return sum(worker.result() for worker in workers)

    async def _fill(self, todo: deque[tuple[int, int]], progress: Progress | None) -> int:
        done = 0
        while todo:
            tenant_id, after = todo.popleft()
            batch, last = await self._batch(tenant_id, after)
            if last is not None:
                todo.append((tenant_id, last))
            done += batch
            if progress and batch:
                progress(batch)
        return done

    async def _batch(self, tenant_id: int, after: int) -> tuple[int, int | None]:
        async with self._store.transaction(tenant_id) as tx:
            await self._confirm(tx)
            waiting, last = await tx.claim_waiting(self._model_key, after=after, limit=self._embedder.batch)
            made = await self._made(tx, waiting) if waiting else bisection.Outcome()
        if waiting:
            telemetry.batch_embedded(len(made.embedded), len(made.failed))
        if made.failed:
            self._failed = True
            log.warning("passages not embedded", passages=len(made.failed))
        return len(made.embedded), last

    async def _made(self, tx: Transaction, waiting: list[Waiting]) -> bisection.Outcome:
        with tracing.part("embed passages", passages=len(waiting)):
            made = await bisection.embed(self._embedder, waiting)
            if made.embedded:
                await tx.insert_vectors(self._model_key, made.embedded)
            if made.failed:
                await tx.note_failures(self._model_key, made.failed)
        return made

    async def _confirm(self, tx: Transaction) -> None:
        active = await tx.active_model()
        if not self._beside and active is not None and active[0] != self._model_key:
            raise ModelMismatch(f"The store was switched to {active[1].name}.")
