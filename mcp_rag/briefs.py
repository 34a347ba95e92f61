"""What a question comes with, and what whoever answers it is given to read."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mcp_rag import evidence, followups
from mcp_rag.answering import redaction
from mcp_rag.hits import Found
from mcp_rag.models import Filters, Hit, Turn
from mcp_rag.ports import Brief


@dataclass(frozen=True)
class Limits:
    """What one answer may take."""

    passages: int = 12
    tokens: int = 6000
    """Of the passages, the question and the turns before it, that a model is given together."""
    length: int = 1024
    """Tokens that a model may write."""
    seconds: float = 45.0
    """Until whoever writes must be done."""
    tokens_a_day: int = 0
    """That models may read and write for a tenant, in and out; 0: any number."""


LIMITS = Limits()


@dataclass(frozen=True)
class Asked:
    """A question as it came."""

    question: str
    filters: Filters
    history: tuple[Turn, ...]
    now: datetime

    @property
    def looked_up(self) -> str:
        return followups.standing_alone(self.question, self.history)


class Briefs:
    """Briefs within the limits. `count` gives a text's tokens; with `redact` a model reads no secrets."""

    def __init__(self, limits: Limits, *, count: Callable[[str], int], redact: bool) -> None:
        self._limits = limits
        self._count = count
        self.redacts = redact

    def of(self, asked: Asked, found: Found, *, model: bool) -> Brief:
        """What was found, for a `model` as much of it as that may read."""
        brief = Brief(
            question=asked.question,
            evidence=(),
            now=asked.now,
            history=asked.history,
            times=found.question.times,
            may_search=model,
        )
        hits = self.hits(found)
        return replace(brief, evidence=evidence.split(self._affordable(hits, brief) if model else hits))

    def hits(self, found: Found) -> list[Hit]:
        return found.hits(0, self._limits.passages, whole=True)

    def with_more(self, brief: Brief, found: Found) -> Brief:
        """The brief with what one more search found, half of the room for each."""
        before = [item.hit for item in brief.evidence]
        known = {hit.url for hit in before}
        fresh = [hit for hit in self.hits(found) if hit.url not in known]
        hits = self._affordable(_alternating(before, fresh), brief)
        return replace(brief, evidence=evidence.split(hits), may_search=False)

    async def redacted(self, brief: Brief) -> Brief:
        """The brief as a model reads it: without secrets, if those are to be masked."""
        return await asyncio.to_thread(_redacted, brief) if self.redacts else brief

    def _affordable(self, hits: Sequence[Hit], brief: Brief) -> list[Hit]:
        """The first hits for which there is room beside the question and the turns before it."""
        asked = [brief.question, *(turn.text for turn in brief.history)]
        left = self._limits.tokens - sum(map(self._count, asked))
        return evidence.within(hits[: self._limits.passages], left, self._count)


def _redacted(brief: Brief) -> Brief:
    return replace(
        brief,
        question=redaction.masked(brief.question),
        evidence=redaction.redacted(brief.evidence),
        history=[turn.model_copy(update={"text": redaction.masked(turn.text)}) for turn in brief.history],
    )


def _alternating(one: Sequence[Hit], other: Sequence[Hit]) -> list[Hit]:
    longest = max(len(one), len(other))
    return [hit for n in range(longest) for hits in (one, other) for hit in hits[n : n + 1]]
