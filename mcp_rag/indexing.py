"""Messages to the passages by which they are found. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mcp_rag import lexicon, passages
from mcp_rag.lexicon import Terms
from mcp_rag.models import Passage, StoredMessage


@dataclass(frozen=True)
class IndexedPassage:
    """A passage of a stored message with its side of the lexical leg."""

    message_key: int
    passage: Passage
    context: str
    speaker: str | None
    sent_at: datetime | None
    terms: Terms


def index(
    messages: Sequence[StoredMessage], *, title: str | None, tenant_id: int, average_length: float
) -> list[IndexedPassage]:
    """Cut messages into passages; each is indexed with the context that makes it readable by itself."""
    return [
        IndexedPassage(
            message_key=message.message_key,
            passage=passage,
            context=(line := context(title, message.speaker, message.sent_at)),
            speaker=message.speaker.casefold() if message.speaker else None,
            sent_at=message.sent_at,
            terms=lexicon.passage_terms(
                f"{line}: {passage.text}", tenant_id=tenant_id, average_length=average_length
            ),
        )
        for message in messages
        for passage in passages.cut(message.text)
    ]


def context(title: str | None, speaker: str | None, sent_at: datetime | None) -> str:
    """For example "Opening day, Ana (14 March 2026)"."""
    named = ", ".join(part for part in (title, speaker) if part)
    return f"{named} ({sent_at:%-d %B %Y})" if sent_at else named


def statistics(indexed: Iterable[IndexedPassage]) -> Counter[int]:
    """In how many of the passages each term occurs, with the totals that the lexicon keeps beside them."""
    counts: Counter[int] = Counter()
    for item in indexed:
        counts.update(item.terms.terms)
        counts[lexicon.EVERY_PASSAGE] += 1
        counts[lexicon.TOTAL_LENGTH] += item.terms.length
    return counts
