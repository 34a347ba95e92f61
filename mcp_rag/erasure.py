"""Removing what a `forget` means, inside the transaction that `Rag.forget` opened."""

from collections import Counter
from collections.abc import Sequence

from mcp_rag import surroundings
from mcp_rag.errors import InvalidInput
from mcp_rag.models import Erasure
from mcp_rag.postgres.rows import ForgetScope
from mcp_rag.postgres.store import Transaction
from mcp_rag.reconciliation import tombstone


async def preview(tx: Transaction, scope: ForgetScope) -> Erasure:
    """What would go."""
    passages, vectors = await tx.count_derived(scope.message_keys)
    return Erasure(
        dry_run=True,
        conversation_ids=tuple(scope.conversations.values()),
        messages=len(scope.message_keys),
        passages=passages,
        vectors=vectors,
    )


def require_no_more(meant: Erasure, agreed: Erasure) -> None:
    """That what would go is what was agreed to, or less.

    Raises:
        InvalidInput: more has come since.
    """
    new = set(meant.conversation_ids) - set(agreed.conversation_ids)
    if new or meant.messages > agreed.messages:
        raise InvalidInput(
            f"Nothing was removed: {agreed.messages} messages were agreed to, and by now it would be "
            f"{meant.messages} of {len(meant.conversation_ids)} conversations.",
            remedy="Call again, so that the user is asked anew.",
        )


async def erase(tx: Transaction, scope: ForgetScope, *, whole: bool) -> None:
    """Remove the scope's messages, or its conversations `whole`, with all that was derived from them.

    What stays is a tombstone: a keyed hash, so that importing the same again does not bring it back.
    """
    lost = Counter(await tx.count_terms(scope.message_keys))
    await tx.add_term_statistics({term: -count for term, count in lost.items()})
    await tx.bury(await _graves(tx, scope, whole=whole))
    await tx.note_changes(list(scope.conversations))
    if whole:
        await tx.delete_conversations(list(scope.conversations))
        return
    for conversation in scope.conversations:
        await tx.delete_replies(conversation, scope.positions)
    await tx.delete_messages(scope.message_keys)
    for conversation in scope.conversations:
        await surroundings.forget(tx, conversation)
        await tx.finish_conversation(conversation, changed=True)


async def _graves(tx: Transaction, scope: ForgetScope, *, whole: bool) -> Sequence[bytes]:
    key = await tx.tombstone_key()
    if whole:
        return [digest for name in scope.conversations.values() for digest in tombstone(key, name)]
    return [
        digest
        for conversation, identity in scope.messages
        for digest in tombstone(key, scope.conversations[conversation], [identity])
    ]
