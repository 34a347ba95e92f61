"""Writing what is new in a conversation, inside the transaction that `Rag.ingest` opened."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from hmac import digest as keyed_digest

from pydantic_core import to_jsonable_python

from mcp_rag import jobs, lexicon, passages, surroundings
from mcp_rag.errors import KeyReused
from mcp_rag.indexing import index, statistics
from mcp_rag.models import Address, NewMessage, Receipt, Skipped, StoredMessage
from mcp_rag.postgres.rows import OpenConversation
from mcp_rag.postgres.store import Transaction
from mcp_rag.reconciliation import Changes, Incoming, tombstone
from mcp_rag.reindexing import current_weighing

RESTORE = "send it with restore=true to store it again"


AT_ONCE = 200
"""Messages that are indexed and written together."""
Heard = Callable[[int, int], None]
"""Hears how many messages are written, and of how many."""


def unheard(done: int, total: int) -> None:
    """Nobody wants to know."""


async def forgotten(
    tx: Transaction, conversation_id: str, opened: OpenConversation, *, restore: bool
) -> list[Skipped]:
    """Why the whole conversation is not stored, if it was forgotten and is not wanted back.

    Asked once it is open, and so locked: a `forget` that was under way has ended.
    """
    graves = tombstone(await tx.tombstone_key(), conversation_id)
    if restore:
        await tx.unbury(graves)
    found = await tx.tombstones(graves)
    if found and opened.created:
        await tx.delete_conversations([opened.key])
    return [
        Skipped(index=None, reason=f"was forgotten on {when:%Y-%m-%d}; {RESTORE}") for when in found.values()
    ]


async def living(
    tx: Transaction, conversation_id: str, incoming: list[Incoming], *, restore: bool
) -> tuple[list[Incoming], list[Skipped]]:
    """The messages that were not forgotten one by one, and a word on each that was."""
    digests = tombstone(await tx.tombstone_key(), conversation_id, [m.identity for m in incoming])
    if restore:
        await tx.unbury(digests)
        return incoming, []
    graves = await tx.tombstones(digests)
    if not graves:
        return incoming, []
    alive = [m for m, digest in zip(incoming, digests, strict=True) if digest not in graves]
    dead = [m for m, digest in zip(incoming, digests, strict=True) if digest in graves]
    return alive, [Skipped(index=m.index, reason=f"was forgotten; {RESTORE}") for m in dead]


async def earlier(tx: Transaction, key: str, sent: Sequence[object]) -> Receipt | None:
    """What an earlier call with this key was answered; None where there is none, and then the key is taken.

    Raises:
        KeyReused: that call sent something else.
    """
    text = json.dumps(sent, default=to_jsonable_python)
    digest = keyed_digest(await tx.tombstone_key(), text.encode(), sha256)
    if await tx.claim_key(key, digest):
        return None
    first, receipt = await tx.kept_receipt(key)
    if first != digest:
        raise KeyReused
    return Receipt.model_validate_json(receipt).model_copy(update={"replayed": True})


def sections(messages: Sequence[tuple[int, NewMessage]]) -> list[tuple[int, NewMessage]]:
    """A document's messages cut into sections, which together are its text to the letter."""
    return [
        (index, message.model_copy(update={"text": section, "message_id": None}))
        for index, message in messages
        for section in passages.sections(message.text)
    ]


async def apply(
    tx: Transaction,
    opened: OpenConversation,
    changes: Changes,
    *,
    tenant_id: int,
    progress: Heard = unheard,
) -> int:
    """Write the changes with their passages and term statistics; gives the number of new passages."""
    fresh = await _write_messages(tx, opened, changes)
    spoken = await surroundings.language(tx, opened)
    all_again = opened.retitled or surroundings.stems_differ(opened.language, spoken)
    opened = replace(opened, language=spoken)
    stale = [row.message_key for row, _ in changes.updated]
    if all_again:
        written = {message.message_key for message in fresh}
        going = written.union(changes.removed)
        others = [m for m in await tx.stored_messages(opened.key) if m.message_key not in going]
        fresh += others
        stale += [message.message_key for message in others]
    lost = await tx.count_terms([*stale, *changes.removed])
    await tx.delete_passages(stale)
    await tx.delete_messages(changes.removed)
    gained = await _write_passages(tx, opened, fresh, tenant_id=tenant_id, progress=progress)
    written_passages = gained[lexicon.EVERY_PASSAGE]
    gained.subtract(lost)
    await tx.add_term_statistics(gained)
    await tx.delete_replies(opened.key, [row.position for row, _ in changes.updated])
    await surroundings.renew(tx, opened, tenant_id=tenant_id, first=0 if all_again else _first(changes))
    return written_passages


def receipt(
    conversation_id: str, changes: Changes, skipped: Sequence[Skipped], *, message_count: int, pending: int
) -> Receipt:
    """What was done, once it is committed."""
    return Receipt(
        conversation_id=conversation_id,
        uri=Address(conversation_id=conversation_id).uri,
        added=len(changes.added),
        updated=len(changes.updated),
        unchanged=changes.unchanged,
        removed=len(changes.removed),
        skipped=tuple(skipped),
        message_count=message_count,
        pending=pending,
        job=jobs.uri(conversation_id) if pending > jobs.WORTHWHILE else "",
    )


def _first(changes: Changes) -> int:
    """The position from which on a conversation is not what it was. A document may have moved as a whole."""
    if changes.removed or changes.moved:
        return 0
    touched = [position for position, _ in changes.added] + [row.position for row, _ in changes.updated]
    return min(touched, default=0)


async def _write_messages(tx: Transaction, opened: OpenConversation, changes: Changes) -> list[StoredMessage]:
    """The messages that are new or say something new, as stored."""
    for row, new in changes.updated:
        await tx.update_message(row.message_key, new.digest, new.message)
    await tx.move_messages(changes.moved)
    keys = await tx.insert_messages(
        opened.key, [(position, m.identity, m.digest, m.message) for position, m in changes.added]
    )
    rewritten = [_stored(row.message_key, row.position, new) for row, new in changes.updated]
    return [*rewritten, *(_stored(keys[position], position, m) for position, m in changes.added)]


async def _write_passages(
    tx: Transaction,
    opened: OpenConversation,
    messages: Sequence[StoredMessage],
    *,
    tenant_id: int,
    progress: Heard,
) -> Counter[int]:
    """Write the messages' passages, some at a time; gives their statistics."""
    gained: Counter[int] = Counter()
    weighing = await current_weighing(tx)
    for start in range(0, len(messages), AT_ONCE):
        progress(start, len(messages))
        indexed = await asyncio.to_thread(
            index,
            messages[start : start + AT_ONCE],
            title=opened.title,
            tenant_id=tenant_id,
            average_length=weighing.average_length,
            language=opened.language,
        )
        await tx.insert_passages(opened.key, indexed, weighing.revision)
        gained.update(statistics(indexed))
    progress(len(messages), len(messages))
    return gained


def _stored(key: int, position: int, incoming: Incoming) -> StoredMessage:
    message = incoming.message
    return StoredMessage(key, position, message.speaker, message.sent_at, message.text)
