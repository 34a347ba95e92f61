"""A set into an empty store, through the product's own ingest, and from what is stored back to its rows.

A conversation is a session, else the group, else the row alone; its group is its tag. What has speakers is a
chat, the rest are documents. Ids of the set are ids of conversations and never in a text that is indexed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mcp_rag.errors import InvalidInput
from mcp_rag.evaluation.dataset import Dataset, Row
from mcp_rag.models import Address, Message, NewConversation, NewMessage
from mcp_rag.rag import Rag

Progress = Callable[[int], None]
Places = Mapping[tuple[str, int], str]
"""Conversation and position of a stored message to the id of the row that it is, or is a section of."""
PAGE = 1_000


@dataclass(frozen=True)
class Arranged:
    """Rows as one conversation, in their order."""

    new: NewConversation
    rows: Sequence[Row]


def arrange(dataset: Dataset, groups: Collection[str]) -> list[Arranged]:
    """The conversations of these groups; with the empty group, of all."""
    within = [row for row in dataset.rows.values() if "" in groups or row.group in groups]
    together: dict[tuple[str, str], list[Row]] = {}
    for row in within:
        together.setdefault((row.group, row.session or row.group or row.id), []).append(row)
    names = Counter(name for _, name in together)
    return [
        _conversation(name if names[name] == 1 else f"{group}/{name}", rows)
        for (group, name), rows in together.items()
    ]


def _conversation(name: str, rows: Sequence[Row]) -> Arranged:
    ordered = sorted((row for row in rows if row.text.strip()), key=lambda row: row.order)
    messages = (NewMessage(text=row.text, speaker=row.speaker or None, sent_at=row.date) for row in ordered)
    new = NewConversation(
        conversation_id=name,
        messages=tuple(messages),
        title=next((row.title for row in ordered if row.title), None),
        kind="chat" if any(row.speaker for row in ordered) else "document",
        tags=tuple({row.group for row in rows if row.group}),
    )
    return Arranged(new, ordered)


async def load(rag: Rag, conversations: Iterable[Arranged], progress: Progress) -> Places:
    """Store them and tell which row each stored message is. `progress` hears of each conversation.

    Raises:
        InvalidInput: something else is stored under the same names.
    """
    places: dict[tuple[str, int], str] = {}
    for each in conversations:
        new = each.new
        if new.messages:
            receipt = await rag.ingest(
                new.conversation_id, new.messages, title=new.title, tags=new.tags, kind=new.kind
            )
            left_out = {skipped.index for skipped in receipt.skipped}
            rows = [row for n, row in enumerate(each.rows) if n not in left_out]
            places |= walked(new.conversation_id, rows, await _stored(rag, new.conversation_id))
        progress(1)
    return places


def walked(name: str, rows: Sequence[Row], messages: Iterable[Message]) -> dict[tuple[str, int], str]:
    """Go through stored messages and rows side by side: one or more messages together are a row's text.

    Raises:
        InvalidInput: they are not the same.
    """
    places: dict[tuple[str, int], str] = {}
    rest, upcoming = "", iter(rows)
    row: Row | None = None
    for message in messages:
        if not rest:
            row = next(upcoming, None)
            rest = row.text if row else ""
        if row is None or not rest.startswith(message.text):
            raise _another(name)
        rest = rest[len(message.text) :]
        places[name, message.position] = row.id
    if rest or next(upcoming, None) is not None:
        raise _another(name)
    return places


def _another(name: str) -> InvalidInput:
    return InvalidInput(
        f"What is stored as {name!r} is not what the set has.", remedy="Name another --store, or none."
    )


async def _stored(rag: Rag, name: str) -> list[Message]:
    messages: list[Message] = []
    following: int | None = 0
    while following is not None:
        read = await rag.fetch(Address(conversation_id=name), first=following, limit=PAGE)
        messages += read.messages
        following = read.next_position
    return messages
