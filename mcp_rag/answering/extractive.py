"""Answers made of what was said, and of nothing else: no model writes a word."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations, islice

from mcp_rag.answering.disagreement import differ
from mcp_rag.models import Claim, Evidence, Quote, Spent, Wanted
from mcp_rag.ports import Brief

Likeness = Callable[[list[str]], Awaitable[list[float]]]
"""How alike each of the texts is to the question: a cosine, or, without a model, the share of its words."""

SOURCES = 6
"""Hits that an answer may be made of."""
SENTENCES = 48
"""Sentences compared with the question, the best hits' first: each costs milliseconds."""
QUOTES = 5
"""The most that an answer cites."""
WITHIN = 0.08
"""How much less alike to the question than the best sentence another may be and still matter."""
AS_GOOD = 0.03
"""How much less alike a quote may be and still answer as well as the best: of such the newest comes first."""
SURE_HIT = 0.6
"""A hit with this share of the best possible score is quoted whatever its sentences are like alone."""
READABLE, LONGEST = 280, 600
"""Characters: a quote takes in neighbouring sentences up to the first, and never exceeds the second."""
OLDEST = datetime(1, 1, 2, tzinfo=UTC)
DIFFERENT = "The sources differ; the newest comes first.", "The sources differ."
"""What is said of quotes that do, with dates and without."""

Sentence = tuple[str, float]
"""A sentence with the space after it, and its likeness to the question."""


class Extractive:
    """Cuts the evidence to the sentences that matter."""

    name = "extractive"
    model = None

    def __init__(self, likeness: Likeness) -> None:
        self._likeness = likeness

    async def write(self, brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        read = list(brief.evidence[:SOURCES])
        split = await self._compared(read)
        alike = [max((likeness for _, likeness in sentences), default=0.0) for sentences in split]
        best = max(alike, default=0.0)
        quotes = [
            Quote(source=source, text=text)
            for source, (item, sentences) in enumerate(zip(read, split, strict=True))
            if (text := _matter(sentences, -1 if item.hit.score >= SURE_HIT else best - WITHIN))
        ][:QUOTES]
        as_good = [quote for quote in quotes if alike[quote.source] >= best - AS_GOOD]
        as_good.sort(key=lambda quote: read[quote.source].hit.date or OLDEST, reverse=True)
        introduction = _introduction(
            [(_best(split[quote.source]), read[quote.source].hit.date) for quote in as_good]
        )
        for quote in [*as_good, *(quote for quote in quotes if quote not in as_good)]:
            yield Claim(text=f"{introduction}\n{_said(read[quote.source], quote.text)}", quotes=(quote,))
            introduction = ""

    async def close(self) -> None:
        """There is nothing to give back."""

    async def _compared(self, read: Sequence[Evidence]) -> list[list[Sentence]]:
        texts = [text for item in read for text in item.sentences if text.strip()][:SENTENCES]
        scored = iter(zip(texts, await self._likeness(texts), strict=True))
        return [list(islice(scored, sum(1 for text in item.sentences if text.strip()))) for item in read]


def _introduction(said: Sequence[tuple[str, datetime | None]]) -> str:
    """That the sentences, each with its date, differ; nothing if no two do."""
    pairs = [(one, other) for one, other in combinations(said, 2) if differ(one[0], other[0])]
    if not pairs:
        return ""
    return DIFFERENT[not all(one[1] and other[1] for one, other in pairs)]


def _best(sentences: Sequence[Sentence]) -> str:
    return max(sentences, key=lambda sentence: sentence[1])[0]


def _matter(sentences: Sequence[Sentence], threshold: float) -> str:
    """The best sentence, with its neighbours while they matter or there is room: one unbroken stretch."""
    if not any(character.isalnum() for text, _ in sentences for character in text):
        return ""
    best = max(range(len(sentences)), key=lambda i: sentences[i][1])
    if sentences[best][1] < threshold:
        return ""
    first = last = best
    while (near := _nearest(sentences, first, last)) is not None:
        length = sum(len(text) for text, _ in sentences[min(first, near) : max(last, near) + 1])
        if length > (LONGEST if sentences[near][1] >= threshold else READABLE):
            break
        first, last = min(first, near), max(last, near)
    return _cut("".join(text for text, _ in sentences[first : last + 1]).strip())


def _cut(text: str) -> str:
    """No longer than a quote may be, and whole words."""
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(maxsplit=1)[0]


def _nearest(sentences: Sequence[Sentence], first: int, last: int) -> int | None:
    """The neighbour of the stretch that is more like the question."""
    beside = [i for i in (first - 1, last + 1) if 0 <= i < len(sentences)]
    return max(beside, key=lambda i: sentences[i][1], default=None)


def _said(evidence: Evidence, quote: str) -> str:
    hit = evidence.hit
    date = f" ({hit.date:%Y-%m-%d})" if hit.date else ""
    return f"{hit.speaker or hit.title}{date}: “{quote}”"
