"""Ranked passages as hits, and pages of them. Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcp_rag import cursors
from mcp_rag.models import Address, Hit, SearchResult
from mcp_rag.ranking import Ranked, confidence
from mcp_rag.snippets import snippet

SNIPPET = 320
"""Characters of a hit's text, unless the whole passage is asked for."""
SHORTEST_SNIPPET = 60
"""Characters to which a hit that fits no budget is cut at most."""


@dataclass(frozen=True)
class Found:
    """What a question found, and what it was found by."""

    ranked: list[Ranked]
    terms: dict[int, int]
    vector: NDArray[np.float32] | None
    notice: str | None
    """Why it went by words alone, when it did."""
    tenant_id: int

    def page(self, shown: Sequence[Hit], *, start: int, wanted: int, asked: object) -> SearchResult:
        """The hits that are shown, from `start` on, of those that were `wanted`."""
        end = start + len(shown)
        return SearchResult(
            results=tuple(shown),
            confidence=confidence(self.ranked),
            mode="lexical" if self.notice else "hybrid",
            total=len(self.ranked),
            omitted=wanted - len(shown),
            next_cursor=cursors.encode(asked, [end]) if end < len(self.ranked) else None,
            notice=self.notice,
        )

    def hits(self, start: int, stop: int, *, whole: bool = False) -> list[Hit]:
        return [
            hit(item, self.terms, tenant_id=self.tenant_id, whole=whole) for item in self.ranked[start:stop]
        ]


def hit(item: Ranked, wanted: Collection[int], *, tenant_id: int, whole: bool = False) -> Hit:
    """A ranked passage as a caller sees it: the part that has most of the wanted terms, or all of it."""
    found = item.candidate
    address = Address(conversation_id=found.conversation_id, position=found.position)
    return Hit(
        id=address.id,
        title=found.title or found.conversation_id,
        url=address.uri,
        conversation_id=found.conversation_id,
        position=found.position,
        speaker=found.speaker,
        date=found.sent_at,
        text=found.text if whole else snippet(found.text, wanted, tenant_id=tenant_id, width=SNIPPET),
        score=round(item.score, 4),
    )


def fitting(
    hits: Sequence[Hit],
    wanted: Collection[int],
    fits: Callable[[Sequence[Hit]], bool],
    *,
    tenant_id: int,
) -> Sequence[Hit]:
    """As many hits as fit, from the first on. The first stays, cut if need be, so that a cursor leads on."""
    while hits and not fits(hits):
        if len(hits) > 1:
            hits = hits[:-1]
        elif len(hits[0].text) > SHORTEST_SNIPPET:
            hits = [_cut(hits[0], wanted, tenant_id)]
        else:
            break
    return hits


def _cut(hit: Hit, wanted: Collection[int], tenant_id: int) -> Hit:
    text = snippet(hit.text, wanted, tenant_id=tenant_id, width=len(hit.text) * 2 // 3)
    return hit.model_copy(update={"text": text})
