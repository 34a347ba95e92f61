"""Answers made of what was said, and of nothing else: no model writes a word."""

from collections.abc import Sequence

from mcp_rag.models import Draft, Evidence, Quote, Sentence

QUOTES = 3
"""The most that an answer cites."""
WITHIN = 0.08
"""How much less alike to the question than the best sentence another may be and still matter (cosine)."""
SURE_HIT = 0.6
"""A hit with this share of the best possible score is quoted whatever its sentences are like alone."""
READABLE, LONGEST = 280, 600
"""Characters: a quote takes in neighbouring sentences up to the first, and never exceeds the second."""


class Extractive:
    """Cuts the evidence to the sentences that matter."""

    async def answer(self, question: str, evidence: Sequence[Evidence]) -> Draft | None:
        best = max((s.similarity for e in evidence for s in e.sentences), default=0.0)
        quotes = [
            Quote(source=source, text=text)
            for source, item in enumerate(evidence)
            if (text := _matter(item.sentences, -1 if item.hit.score >= SURE_HIT else best - WITHIN))
        ][:QUOTES]
        if not quotes:
            return None
        text = "\n".join(f"{_said(evidence[q.source], q.text)} [{n}]" for n, q in enumerate(quotes, 1))
        return Draft(text=text, quotes=tuple(quotes), provider="extractive")


def _matter(sentences: Sequence[Sentence], threshold: float) -> str:
    """The best sentence, with its neighbours while they matter or there is room: one unbroken stretch."""
    if not any(character.isalnum() for sentence in sentences for character in sentence.text):
        return ""
    best = max(range(len(sentences)), key=lambda i: sentences[i].similarity)
    if sentences[best].similarity < threshold:
        return ""
    first = last = best
    while (near := _nearest(sentences, first, last)) is not None:
        length = sum(len(s.text) for s in sentences[min(first, near) : max(last, near) + 1])
        if length > (LONGEST if sentences[near].similarity >= threshold else READABLE):
            break
        first, last = min(first, near), max(last, near)
    return "".join(sentence.text for sentence in sentences[first : last + 1]).strip()[:LONGEST].strip()


def _nearest(sentences: Sequence[Sentence], first: int, last: int) -> int | None:
    """The neighbour of the stretch that is more like the question."""
    beside = [i for i in (first - 1, last + 1) if 0 <= i < len(sentences)]
    return max(beside, key=lambda i: sentences[i].similarity, default=None)


def _said(evidence: Evidence, quote: str) -> str:
    hit = evidence.hit
    speaker = hit.speaker or hit.title
    date = f" ({hit.date:%Y-%m-%d})" if hit.date else ""
    return f"{speaker}{date}: “{quote}”"
