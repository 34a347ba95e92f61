"""Writing down who changed what, inside the transaction that changes it, and in the log after that."""

from collections.abc import Mapping
from functools import partial

from mcp_rag.identity import Caller
from mcp_rag.log import logger
from mcp_rag.models import Changed
from mcp_rag.postgres.store import Transaction
from mcp_rag.reconciliation import tombstone

log = logger()


async def record(
    tx: Transaction, caller: Caller, action: str, names: Mapping[int, str], messages: Mapping[int, int]
) -> None:
    """That a caller does this to so many messages of each conversation, by its key; `names` are their ids.

    What is recorded loses the id when the conversation is forgotten, and keeps its keyed hash. The log, which
    nobody takes anything out of, has the hash alone.
    """
    key = await tx.tombstone_key()
    changed = [Changed(each, tombstone(key, name)[0], messages[each]) for each, name in names.items()]
    await tx.record(caller, action, changed)
    who = {"caller": caller.name, "tenant_id": caller.tenant_id, "address": caller.address}
    tx.afterwards += [
        partial(
            log.info, "changed", action=action, conversation=each.digest.hex(), messages=each.messages, **who
        )
        for each in changed
    ]
