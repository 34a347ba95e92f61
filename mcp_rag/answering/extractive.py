"""Answers made of what was said, and of nothing else: no model writes a word."""

from collections.abc import Sequence

from mcp_rag.models import Draft, Evidence, Quote, Sentence

QUOTES = 3
"""The most that an answer cites."""
WITHIN = 0.06
"""How much less alike to the question than the best sentence another may be and still matter (cosine)."""
LONGEST = 600
"""Characters of a quote."""


class Extractive:
    """Cuts the evidence to the sentences that matter."""

    async def answer(self, question: str, evidence: Sequence[Evidence]) -> Draft | None:
        best = max((s.similarity for e in evidence for s in e.sentences), default=0.0)
        quotes = [
            Quote(source=source, text=text)
            for source, item in enumerate(evidence)
            if (text := _matter(item.sentences, best - WITHIN))
        ][:QUOTES]
        if not quotes:
            return None
        text = "\n".join(f"{_said(evidence[q.source], q.text)} [{n}]" for n, q in enumerate(quotes, 1))
        return Draft(text=text, quotes=tuple(quotes), provider="extractive")


def _matter(sentences: Sequence[Sentence], threshold: float) -> str:
    """The best sentence with what follows or precedes it while that matters too: one unbroken stretch."""
    if not sentences:
        return ""
    best = max(range(len(sentences)), key=lambda i: sentences[i].similarity)
    if sentences[best].similarity < threshold:
        return ""
    first = last = best
    while last + 1 < len(sentences) and sentences[last + 1].similarity >= threshold:
        last += 1
    while first > 0 and sentences[first - 1].similarity >= threshold:
        first -= 1
    stretch = "".join(sentence.text for sentence in sentences[first : last + 1]).strip()
    return stretch if len(stretch) <= LONGEST else sentences[best].text[:LONGEST].strip()


def _said(evidence: Evidence, quote: str) -> str:
    hit = evidence.hit
    speaker = hit.speaker or hit.title
    date = f" ({hit.date:%Y-%m-%d})" if hit.date else ""
    return f"{speaker}{date}: “{quote}”"
