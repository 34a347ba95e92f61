"""Keeping what is indexed as it would be indexed now: statistics folded, weights under the average of today.

A passage's weights assume an average length, and its terms a version of the lexicon. Both are named by the
tenant's weighing, and a passage keeps the number of the one it was written under. So what is outdated is a
list of work in the passages themselves, like that of missing vectors: any process may do some of it, in any
order, and stop at any time.
"""

import asyncio
from collections.abc import Sequence

from mcp_rag import lexicon
from mcp_rag.indexing import Outdated, Renewed, index_again, statistics, statistics_before
from mcp_rag.postgres.rows import Weighing
from mcp_rag.postgres.store import Store, Transaction

TOLERANCE = 0.03
"""How far the average may move before everything is weighed again: 1 % of a passage's score."""
BATCH = 200
"""Passages that are indexed and committed together: an ingest that wants one of them waits so long."""
TYPICAL_COUNTS_AS = 100
"""Passages that `lexicon.TYPICAL_LENGTH` stands for in the average of a store that has no weighing yet."""


async def current_weighing(tx: Transaction) -> Weighing:
    """How a passage that is written now is to be indexed."""
    if weighing := await tx.weighing(lexicon.INDEX_VERSION):
        return weighing
    passages, words = await tx.corpus()
    guessed = words + lexicon.TYPICAL_LENGTH * TYPICAL_COUNTS_AS
    return Weighing(0, guessed / (passages + TYPICAL_COUNTS_AS))


async def tend(store: Store, tenant_id: int) -> int:
    """Fold the statistics and index again what is outdated; gives how many passages were.

    Raises:
        StoreUnavailable: the database went away; what was done before is committed.
    """
    done = 0
    # Again after it was done: another version may count other words, so that their average is another.
    while again := await _index_again(store, tenant_id):
        done += again
    return done


async def _index_again(store: Store, tenant_id: int) -> int:
    async with store.transaction(tenant_id) as tx:
        weighing = await _settle(tx)
    done = 0
    while weighing and (batch := await _batch(store, tenant_id, weighing)):
        done += batch
    return done


async def _settle(tx: Transaction) -> Weighing | None:
    """The weighing that is right for the store as it is; None when that is not ours to say."""
    if not await tx.tends_statistics():
        return await tx.weighing(lexicon.INDEX_VERSION)
    await tx.fold_term_statistics()
    await tx.fold_changes()
    passages, words = await tx.corpus()
    if passages <= 0 or words <= 0:
        return None
    weighing, average = await tx.weighing(lexicon.INDEX_VERSION), words / passages
    if weighing and abs(average / weighing.average_length - 1) <= TOLERANCE:
        return weighing
    return await tx.renew_weighing(lexicon.INDEX_VERSION, average)


async def _batch(store: Store, tenant_id: int, weighing: Weighing) -> int:
    async with store.transaction(tenant_id) as tx:
        outdated = await tx.claim_outdated(weighing.revision, limit=BATCH)
        if outdated:
            renewed = await asyncio.to_thread(_renewed, outdated, tenant_id, weighing.average_length)
            await tx.renew_passages(renewed, weighing.revision)
            change = statistics(renewed)
            change.subtract(statistics_before(outdated))
            await tx.add_term_statistics(change)
    return len(outdated)


def _renewed(outdated: Sequence[Outdated], tenant_id: int, average_length: float) -> list[Renewed]:
    return [index_again(passage, tenant_id=tenant_id, average_length=average_length) for passage in outdated]
