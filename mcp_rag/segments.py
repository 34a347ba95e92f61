"""Conversations to segments: a few messages said in one go, which are weighed by their words together. Pure.

A message of a chat is often found by what was said around it: the question before it has the words that the
answer lacks. So a passage is ranked by its own words and by those of its segment.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mcp_rag import lexicon
from mcp_rag.indexing import indexed_text
from mcp_rag.lexicon import Terms
from mcp_rag.models import StoredMessage

LONGEST = 8
"""Messages in a segment, at most: 6 and 12 find less."""
MOST_WORDS = 450
"""Words in a segment, at most, unless one message has more: documents gain nothing by more."""
PAUSE = timedelta(hours=3)
"""After such a silence, or on another day, a chat begins anew."""
RECIPE = 1
"""Which texts are embedded for a passage. Raised when they change: all are embedded again."""
BEFORE = 400
"""Characters, from its end, of the message before that a passage is embedded with: what an answer refers to
stands close by."""
TYPICAL_LENGTH = 240.0
"""Words in a segment, by which its weights are normalised. A constant: they hardly depend on it."""


@dataclass(frozen=True)
class Segment:
    """Messages `first` to `last` of a conversation, by position, and their side of the lexical leg."""

    first: int
    last: int
    terms: Terms


def segments(
    messages: Sequence[StoredMessage], *, title: str | None, tenant_id: int, language: str | None
) -> list[Segment]:
    """Cut messages, which are in order of position, into segments."""
    return [
        Segment(
            first=group[0].position,
            last=group[-1].position,
            terms=lexicon.passage_terms(
                "\n".join(indexed_text(m.text, title, m.speaker, m.sent_at) for m in group),
                tenant_id=tenant_id,
                average_length=TYPICAL_LENGTH,
                language=language,
            ),
        )
        for group in _groups(messages)
    ]


def _groups(messages: Iterable[StoredMessage]) -> Iterator[list[StoredMessage]]:
    group: list[StoredMessage] = []
    words = 0
    for message in messages:
        length = len(message.text.split())
        if group and (
            len(group) == LONGEST or words + length > MOST_WORDS or _apart(group[-1].sent_at, message.sent_at)
        ):
            yield group
            group, words = [], 0
        group.append(message)
        words += length
    if group:
        yield group


def _apart(before: datetime | None, after: datetime | None) -> bool:
    return before is not None and after is not None and abs(after - before) > PAUSE
