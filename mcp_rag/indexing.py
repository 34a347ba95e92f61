"""Messages to the passages by which they are found. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mcp_rag import dates, lexicon, passages
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


@dataclass(frozen=True)
class Outdated:
    """A stored passage that would be indexed otherwise now."""

    passage_key: int
    title: str | None
    speaker: str | None
    sent_at: datetime | None
    text: str
    language: str | None
    entries: list[int]
    """What it is entered under, see `Terms.entries`."""
    length: int


@dataclass(frozen=True)
class Renewed:
    """What is stored of an outdated passage instead."""

    passage_key: int
    context: str
    terms: Terms


def index(
    messages: Sequence[StoredMessage],
    *,
    title: str | None,
    tenant_id: int,
    average_length: float,
    language: str | None,
) -> list[IndexedPassage]:
    """Cut messages into passages; each is indexed with the context that makes it readable by itself."""
    return [
        IndexedPassage(
            message_key=message.message_key,
            passage=passage,
            context=context(title, message.speaker, message.sent_at),
            speaker=message.speaker.casefold() if message.speaker else None,
            sent_at=message.sent_at,
            terms=lexicon.passage_terms(
                indexed_text(passage.text, title, message.speaker, message.sent_at),
                tenant_id=tenant_id,
                average_length=average_length,
                language=language,
            ),
        )
        for message in messages
        for passage in passages.cut(message.text)
    ]


def context(title: str | None, speaker: str | None, sent_at: datetime | None) -> str:
    """For example "Opening day, Ana (14 March 2026)"."""
    named = ", ".join(part for part in (title, speaker) if part)
    return f"{named} ({sent_at:%-d %B %Y})" if sent_at else named


def indexed_text(text: str, title: str | None, speaker: str | None, sent_at: datetime | None) -> str:
    """What a text is found by: the words around it, its own, and the days that its "yesterday" means."""
    days = "; ".join(dates.resolved(text, sent_at)) if sent_at else ""
    return f"{context(title, speaker, sent_at)}: {text}\n{days}"


def index_again(passage: Outdated, *, tenant_id: int, average_length: float) -> Renewed:
    """The passage as it would be indexed now. Where it begins and ends in its message stays."""
    terms = lexicon.passage_terms(
        indexed_text(passage.text, passage.title, passage.speaker, passage.sent_at),
        tenant_id=tenant_id,
        average_length=average_length,
        language=passage.language,
    )
    line = context(passage.title, passage.speaker, passage.sent_at)
    return Renewed(passage.passage_key, line, terms)


def statistics(indexed: Iterable[IndexedPassage | Renewed]) -> Counter[int]:
    """In how many of the passages each entry occurs, with the totals that the lexicon keeps beside them."""
    return _count((item.terms.entries, item.terms.length) for item in indexed)


def statistics_before(passages: Iterable[Outdated]) -> Counter[int]:
    """The same of passages as they were indexed."""
    return _count((passage.entries, passage.length) for passage in passages)


def _count(indexed: Iterable[tuple[list[int], int]]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for entries, length in indexed:
        counts.update(entries)
        counts[lexicon.EVERY_PASSAGE] += 1
        counts[lexicon.TOTAL_LENGTH] += length
    return counts
