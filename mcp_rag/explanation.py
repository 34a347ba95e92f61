"""Why a search gives what it gives, and why a message that somebody looked for stands where it does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mcp_rag import candidates, lexicon
from mcp_rag.candidates import Plan
from mcp_rag.errors import UnknownMessage
from mcp_rag.hits import Found, why
from mcp_rag.models import (
    Address,
    Candidate,
    Extract,
    Filters,
    Message,
    Standing,
    Understood,
    Word,
)
from mcp_rag.postgres.store import LEG_DEPTH
from mcp_rag.questions import Question
from mcp_rag.ranking import Ranked

NOTABLE = 0.01
"""A difference in a part of the score that is worth telling."""


@dataclass(frozen=True)
class LookedFor:
    """A message that somebody expected to find."""

    extract: Extract
    """The message alone."""
    passages: Sequence[int]
    embedded: bool
    """All of its passages have vectors."""

    @property
    def message(self) -> Message:
        return self.extract.messages[0]

    @property
    def address(self) -> Address:
        return Address(
            conversation_id=self.extract.conversation.conversation_id, position=self.message.position
        )


def understood(question: Question, plan: Plan, *, tenant_id: int) -> Understood:
    """What was read out of a question. `plan` has the statistics of its terms."""
    return Understood(
        embedded_as=question.about,
        words=tuple(_words(question, plan, tenant_id)),
        speakers=dict(question.speakers),
        times=question.times,
        asks_when=question.asks_when,
        parts=(*question.parts, *(event.text for event in question.events)),
    )


def _words(question: Question, plan: Plan, tenant_id: int) -> Iterator[Word]:
    shares = candidates.shares(plan)
    postings = {word.term: word.postings for word in plan.words}
    for text in dict.fromkeys(lexicon.WORD.findall(question.text)):
        asked = lexicon.query_terms(text, tenant_id=tenant_id, spoken=question.spoken)
        terms = [term for term in asked if term in shares]
        if terms:
            weighed = dict(shares[term] for term in terms)
            found = max(postings[term] for term in terms)
            yield Word(word=text, share=round(sum(weighed.values()), 3), passages=found)


def by_the_legs(found: Found) -> Found:
    """The same without what was scored only because it was asked for."""
    ranked = [item for item in found.ranked if item.candidate.found]
    return replace(found, ranked=ranked)


def standing(found: Found, looked_for: LookedFor, filters: Filters) -> Standing:
    """Where a message stands among what was ranked, whether a leg found it or not."""
    item, ranked = _ranked(found, looked_for), by_the_legs(found).ranked
    return Standing(
        uri=looked_for.address.uri,
        rank=ranked.index(item) + 1 if item in ranked else None,
        score=round(item.score, 4),
        why=why(item),
        reasons=tuple(
            _left_out(looked_for, filters)
            or [*_not_found(found, item.candidate, looked_for), *(_behind(item, ranked[0]) if ranked else ())]
        ),
    )


def _ranked(found: Found, looked_for: LookedFor) -> Ranked:
    place = looked_for.address.conversation_id, looked_for.address.position
    for item in found.ranked:
        if (item.candidate.conversation_id, item.candidate.position) == place:
            return item
    raise UnknownMessage(
        f"{looked_for.address.uri} was changed while it was looked for.", remedy="Ask again."
    )


def _left_out(looked_for: LookedFor, filters: Filters) -> list[str]:
    """The filters that it does not pass, which are reason enough."""
    return list(_against(looked_for, filters))


def _against(looked_for: LookedFor, filters: Filters) -> Iterator[str]:
    of, message = looked_for.extract.conversation, looked_for.message
    is_by, sent_at = (message.speaker or "").casefold(), message.sent_at
    if filters.conversation_id not in (None, of.conversation_id):
        yield f"The filter wants another conversation, {filters.conversation_id!r}."
    if filters.source not in (None, of.source):
        yield f"The filter wants the source {filters.source!r}; this is from {of.source!r}."
    if missing := sorted(set(filters.tags) - set(of.tags)):
        yield f"The filter wants tags that its conversation does not have: {', '.join(missing)}."
    if filters.speaker and filters.speaker.casefold() != is_by:
        yield f"The filter wants the speaker {filters.speaker!r}; this is by {message.speaker!r}."
    if filters.since and (sent_at is None or sent_at < filters.since):
        yield f"The filter wants what was said since {filters.since:%Y-%m-%d}."
    if filters.until and (sent_at is None or sent_at >= filters.until):
        yield f"The filter wants what was said before {filters.until:%Y-%m-%d}."


def _not_found(found: Found, candidate: Candidate, looked_for: LookedFor) -> Iterator[str]:
    """Why a leg did not find it."""
    if candidate.coverage == 0:
        yield "It has none of the question's words."
    elif not candidate.by_words:
        yield f"By words it is not among the first {LEG_DEPTH}."
    if found.lexical:
        yield found.lexical
    elif not looked_for.embedded:
        yield "Its vector is not made yet: until then it is found by its words alone."
    elif not candidate.by_meaning:
        last = min((c.similarity or 0.0 for c in found.candidates if c.by_meaning), default=0.0)
        yield (
            f"By meaning it is not among the first {LEG_DEPTH}: "
            f"its likeness is {candidate.similarity or 0.0:.3f}, theirs at least {last:.3f}."
        )


def _behind(item: Ranked, best: Ranked) -> list[str]:
    """What the first hit has more of, the most first; but before all what the second stage says."""
    more = [
        (theirs - own, f"By {name} it has {own:.2f}, the first hit {theirs:.2f}.")
        for name, own, theirs in zip(item.parts._fields, item.parts, best.parts, strict=True)
        if theirs - own >= NOTABLE
    ]
    return [*_read(item, best), *(told for _, told in sorted(more, reverse=True))]


def _read(item: Ranked, best: Ranked) -> Iterator[str]:
    if best.logit is not None and item.logit is None:
        yield "The second stage did not read it."
    elif best.logit is not None and item.logit is not None and best.logit > item.logit:
        yield f"The second stage gave it {item.logit:.1f}, the first hit {best.logit:.1f}."
