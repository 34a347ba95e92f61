"""Ranked passages as hits, and pages of them. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mcp_rag import cursors, ranking
from mcp_rag.models import Address, Candidate, Confidence, Hit, Message, SearchResult
from mcp_rag.questions import Question
from mcp_rag.ranking import Ranked
from mcp_rag.snippets import snippet

SNIPPET = 320
"""Characters of a hit's text, unless the whole passage is asked for."""
NEIGHBOUR = 160
"""Characters of a message beside a hit."""
SHORTEST_SNIPPET = 60
"""Characters to which a hit that fits no budget is cut at most."""

Place = tuple[int, int]
"""A message by the key of its conversation and its position."""


@dataclass(frozen=True)
class Found:
    """What a question found, and what it was found by."""

    ranked: list[Ranked]
    candidates: Sequence[Candidate]
    """What was ranked: every passage that a leg found."""
    question: Question
    vector: NDArray[np.float32] | None
    tenant_id: int
    lexical: str | None = None
    """Why it went by words alone, when it did."""
    own: list[Ranked] = field(default_factory=list)
    """What was ranked for the question as a whole, before the best of its parts came in front."""
    parts: Sequence[Sequence[Ranked]] = ()
    """What was ranked for each thing that the question names."""
    not_reranked: str | None = None
    """Why there was no second stage, when there was to be one."""
    neighbours: Mapping[Place, Sequence[Message]] = field(default_factory=dict)
    """The messages beside those that are to be shown."""

    @cached_property
    def certainty(self) -> float:
        """How likely it is that the store holds what was asked for, 0 to 1."""
        return ranking.certainty(self.ranked, self.question)

    @cached_property
    def confidence(self) -> Confidence:
        """The same in words."""
        return ranking.confidence(self.certainty, self.ranked)

    def page(self, shown: Sequence[Hit], *, start: int, wanted: int, asked: object) -> SearchResult:
        """The hits that are shown, from `start` on, of those that were `wanted`."""
        end = start + len(shown)
        return SearchResult(
            results=tuple(shown),
            confidence=self.confidence,
            certainty=round(self.certainty, 3),
            mode="lexical" if self.lexical else "hybrid",
            total=len(self.ranked),
            omitted=wanted - len(shown),
            next_cursor=cursors.encode(asked, [end]) if end < len(self.ranked) else None,
            notice=" ".join(filter(None, (self.lexical, self.not_reranked))) or None,
        )

    def places(self, start: int, stop: int) -> list[Place]:
        return [place(item) for item in self.ranked[start:stop]]

    def hits(self, start: int, stop: int, *, whole: bool = False, explain: bool = False) -> list[Hit]:
        """Hits with their neighbours. A message is shown once: as a hit, else beside the best hit near it."""
        shown = set(self.places(start, stop))
        hits = []
        for item in self.ranked[start:stop]:
            key, position = place(item)
            beside = [m for m in self.neighbours.get((key, position), ()) if (key, m.position) not in shown]
            shown.update((key, message.position) for message in beside)
            hits.append(self._hit(item, beside, whole=whole, explain=explain))
        return hits

    def _hit(self, item: Ranked, beside: Sequence[Message], *, whole: bool, explain: bool) -> Hit:
        found, terms = item.candidate, self.question.terms
        address = Address(conversation_id=found.conversation_id, position=found.position)
        cut = found.text if whole else snippet(found.text, terms, tenant_id=self.tenant_id, width=SNIPPET)
        return Hit(
            id=address.id,
            title=found.title or found.conversation_id,
            url=address.uri,
            conversation_id=found.conversation_id,
            position=found.position,
            speaker=found.speaker,
            date=found.sent_at,
            text=cut,
            score=round(item.score, 4),
            before=tuple(self._neighbour(m) for m in beside if m.position < found.position),
            after=tuple(self._neighbour(m) for m in beside if m.position > found.position),
            why=why(item) if explain else None,
        )

    def _neighbour(self, message: Message) -> str:
        text = snippet(message.text, self.question.terms, tenant_id=self.tenant_id, width=NEIGHBOUR)
        return f"{message.speaker}: {text}" if message.speaker else text


def place(item: Ranked) -> Place:
    return item.candidate.conversation_key, item.candidate.position


def why(item: Ranked) -> dict[str, float]:
    """What a score is made of, with the logit of the second stage if that read the passage."""
    if item.of_part:
        return {"part of the question": round(item.score, 4)}
    reasons = {name: round(value, 4) for name, value in item.parts._asdict().items() if value}
    return reasons if item.logit is None else reasons | {"reranker": round(item.logit, 4)}


def fitting(
    hits: Sequence[Hit],
    wanted: Collection[int],
    fits: Callable[[Sequence[Hit]], bool],
    *,
    tenant_id: int,
) -> Sequence[Hit]:
    """As many hits as fit, from the first on. The first stays, cut if need be, so that a cursor leads on.

    Neighbours go before hits do, those of the last hit first.
    """
    bare = list(hits)
    for place in reversed(range(len(bare))):
        if fits(bare):
            return bare
        bare[place] = bare[place].model_copy(update={"before": (), "after": ()})
    hits = bare
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
