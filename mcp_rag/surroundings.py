"""What stands around a conversation's passages, kept as its messages are: segments, names, language.

All of it is derived from the messages. A conversation says under which version it was made; none is work to
be done, which any process may do.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mcp_rag import languages, names, segments
from mcp_rag.models import StoredMessage
from mcp_rag.postgres.rows import OpenConversation
from mcp_rag.postgres.store import Store, Transaction

VERSION = 2
"""Raised with every change of what `segments` or `names` give: what was made before it is made again."""
NAMES_FROM = 200
"""Messages before the first new one in which names are looked for too."""
BATCH = 20
"""Conversations that are tended and committed together."""
UNSTEMMED = frozenset({"zh", "ja", "ko"})
"""Languages whose words are indexed alike whether they were recognised or not."""


async def language(tx: Transaction, opened: OpenConversation) -> str | None:
    """The language of a conversation: decided once, as soon as there is text enough, and then kept."""
    if opened.language is not None:
        return opened.language
    held = await tx.stored_messages(opened.key)
    return await asyncio.to_thread(languages.detect, "\n".join(message.text for message in held))


def stems_differ(before: str | None, now: str | None) -> bool:
    """Whether what was indexed in one language must be indexed again in the other."""
    return now not in UNSTEMMED and (before or "en") != (now or "en")


async def renew(tx: Transaction, conversation: OpenConversation, *, tenant_id: int, first: int = 0) -> None:
    """Make what changes when the messages of a conversation, from `first` on, have changed."""
    start = await tx.delete_segments(conversation.key, first=first)
    read_from = min(start, max(0, first - NAMES_FROM))
    messages = await tx.stored_messages(conversation.key, first=read_from)
    made, named = await asyncio.to_thread(_derived, messages, start, conversation, tenant_id)
    await tx.insert_segments(conversation.key, made)
    if read_from == 0:
        # All was read: a name that no message bears out any more goes.
        await tx.forget_names(conversation.key)
    await tx.insert_names(conversation.key, named)
    await tx.set_surroundings(conversation.key, version=VERSION, language=conversation.language)


async def forget(tx: Transaction, conversation: int) -> None:
    """Remove what was derived from messages that are no more; the rest is made again in a moment."""
    await tx.delete_segments(conversation, first=0)
    await tx.forget_names(conversation)
    await tx.set_surroundings(conversation, version=0, language=None)


async def tend(store: Store, tenant_id: int) -> None:
    """Make what is missing; passages whose language was not known then are left to be indexed again.

    Raises:
        StoreUnavailable: the database went away; what was done before is committed.
    """
    while True:
        async with store.transaction(tenant_id) as tx:
            waiting = await tx.conversations_without_surroundings(VERSION, limit=BATCH)
            for conversation in waiting:
                spoken = await language(tx, conversation)
                if stems_differ(conversation.language, spoken):
                    await tx.outdate_passages(conversation.key)
                await renew(tx, replace(conversation, language=spoken), tenant_id=tenant_id)
        if not waiting:
            return


def _derived(
    messages: Sequence[StoredMessage], start: int, conversation: OpenConversation, tenant_id: int
) -> tuple[list[segments.Segment], dict[str, set[str]]]:
    made = segments.segments(
        [message for message in messages if message.position >= start],
        title=conversation.title,
        tenant_id=tenant_id,
        language=conversation.language,
    )
    return made, names.aliases((message.speaker, message.text) for message in messages)
