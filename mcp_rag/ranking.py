"""The legs' scores to one ranking, and how sure it is. Pure.

Scores are min-max normalised over the candidates and added with fixed weights: measured better than
reciprocal rank fusion on chats and never worse than either leg on documents. Every term of the sum was kept
because it was measured to help; docs/retrieval.md has the measurements, and the data the weights come from.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import NamedTuple

from mcp_rag import dates, names
from mcp_rag.models import Candidate, Confidence
from mcp_rag.questions import Question


class Parts(NamedTuple):
    """What a passage's score is the sum of."""

    meaning: float
    """Its likeness to the question."""
    reply: float
    """The same of it and the message before, together: an answer may have no word of what was asked."""
    words: float
    """BM25."""
    segment: float
    """BM25 of the messages it was said among, together."""
    coverage: float
    """The square of the share of the question's words that it has: all of them are worth more than some."""
    speaker: float
    """Its speaker is the person that the question is about. A bonus and no filter: others may know."""
    time: float
    """It is from the time that the question speaks of."""
    dated: float
    """It says when something is, and the question asks when."""
    asking: float
    """Below zero: the share of it that is questions, which are like a question and seldom its answer."""


WEIGHTS = Parts(
    meaning=0.5,
    reply=0.4,
    words=0.1,
    segment=0.4,
    coverage=0.3,
    speaker=0.4,
    time=0.15,
    dated=0.2,
    asking=-0.1,
)

COVERED = 0.6
"""The share of the question's words that some passage must have for words to weigh in full. Where the best by
words has one common word of three, words say little. It changed no measured set, but such questions."""


@dataclass(frozen=True, slots=True)
class Ranked:
    candidate: Candidate
    score: float
    """0 to 1, comparable within one ranking only."""
    parts: Parts
    logit: float | None = None
    """What the second stage gave it: higher is better, in no fixed range."""
    of_part: bool = False
    """It was found for a part of the question only, and its parts are of that."""


def rank(candidates: Sequence[Candidate], question: Question) -> list[Ranked]:
    """Best first, one passage of each message: its best. Equal scores keep an order of their own."""
    best_possible = _best_possible(candidates, question)
    best: dict[int, Ranked] = {}
    for candidate, parts in zip(candidates, _parts(candidates, question), strict=True):
        item = Ranked(candidate, max(0.0, sum(parts)) / best_possible, parts)
        rival = best.get(candidate.message_key)
        if rival is None or (not candidate.found, _order(item)) < (not rival.candidate.found, _order(rival)):
            best[candidate.message_key] = item
    return sorted(best.values(), key=_order)


RERANKED = 20
"""Passages that the second stage reads: with 30 or 40 it finds no more."""
RERANKED_WEIGHT = 0.6


def rerank(ranked: Sequence[Ranked], logits: Sequence[float | None]) -> list[Ranked]:
    """The first few in the order of both stages, each normalised over what was read.

    Those that were read change places among themselves; what there was no time to read keeps its own. A score
    stays with its place.
    """
    read = [(place, logit) for place, logit in enumerate(logits[: len(ranked)]) if logit is not None]
    first = _normalised([ranked[place].score for place, _ in read])
    second = _normalised([logit for _, logit in read])
    blended = sorted(
        (-(1 - RERANKED_WEIGHT) * a - RERANKED_WEIGHT * b, place, logit)
        for (place, logit), a, b in zip(read, first, second, strict=True)
    )
    again = list(ranked)
    for (place, _), (_, taken_from, logit) in zip(read, blended, strict=True):
        again[place] = replace(ranked[taken_from], score=ranked[place].score, logit=logit)
    return again


IN_FRONT = 3
"""Where the best hit for each part of a question stands at the latest."""


def with_the_best_of(ranked: Sequence[Ranked], parts: Sequence[Sequence[Ranked]]) -> list[Ranked]:
    """The ranking with the best of each part's among its first few: both things asked for are answered.

    That one hit only: to give the parts more weight was measured to find less.
    """
    front = {_message(item): item for item in ranked[:IN_FRONT]}
    own = {_message(item): item for item in ranked}
    best = {_message(part[0]): replace(part[0], of_part=True) for part in parts if part}
    missing = [own.get(key, item) for key, item in best.items() if key not in front]
    kept = ranked[: max(0, IN_FRONT - len(missing))]
    lowest = min((item.score for item in front.values()), default=0.0)
    moved = [*kept, *(replace(item, score=lowest) for item in missing)]
    shown = set(map(_message, moved))
    return [*moved, *(item for item in ranked if _message(item) not in shown)]


def _message(item: Ranked) -> int:
    return item.candidate.message_key


def _order(item: Ranked) -> tuple[float, int]:
    return -item.score, item.candidate.passage_key


def _parts(candidates: Sequence[Candidate], question: Question) -> list[Parts]:
    """The weighted parts of each candidate's score. What is not known yet is taken to be as what is."""
    found = [c.found for c in candidates]
    meaning = _normalised([c.similarity for c in candidates], found)
    reply = _normalised([c.reply for c in candidates], found)
    covered = max((c.coverage for c in candidates if c.found), default=0.0)
    trust = min(1.0, covered / COVERED)
    words = [trust * score for score in _normalised([c.lexical for c in candidates], found)]
    segment = [trust * score for score in _normalised([c.segment for c in candidates], found)]
    return [
        Parts(
            meaning=WEIGHTS.meaning * meaning[i],
            reply=WEIGHTS.reply * (meaning[i] if c.reply is None else reply[i]),
            words=WEIGHTS.words * words[i],
            segment=WEIGHTS.segment * (words[i] if c.segment is None else segment[i]),
            coverage=WEIGHTS.coverage * c.coverage**2,
            speaker=WEIGHTS.speaker * question.speakers.get((c.speaker or "").casefold(), 0.0),
            time=WEIGHTS.time * _from_the_time(c, question),
            dated=WEIGHTS.dated * (question.asks_when and dates.says_when(c.text, c.sent_at)),
            asking=WEIGHTS.asking * _asking(c.text),
        )
        for i, c in enumerate(candidates)
    ]


def _from_the_time(candidate: Candidate, question: Question) -> bool:
    sent_at = candidate.sent_at
    return sent_at is not None and any(period.covers(sent_at) for period in question.periods)


_SENTENCE = re.compile(r"[^.!?。！？؟…\n]+([.!?。！？؟…\n]*)")


def _asking(text: str) -> float:
    """The share of a text that stands in questions, 0 to 1. A mark of any script ends one."""
    if not any(mark in text for mark in "?？؟"):
        return 0.0
    sentences = list(_SENTENCE.finditer(text))
    asked = sum(len(s.group()) for s in sentences if any(mark in s[1] for mark in "?？؟"))
    return asked / max(1, sum(len(s.group()) for s in sentences))


def _best_possible(candidates: Sequence[Candidate], question: Question) -> float:
    best = WEIGHTS.words + WEIGHTS.segment + WEIGHTS.coverage
    if any(c.similarity is not None for c in candidates):
        best += WEIGHTS.meaning + WEIGHTS.reply
    best += WEIGHTS.speaker * max(question.speakers.values(), default=0.0)
    return best + WEIGHTS.time * bool(question.periods) + WEIGHTS.dated * question.asks_when


# Chosen on half of 800 questions over open chats and paragraphs, each asked of the store that answers it and
# of one that does not; on the other half they tell the two apart with an area under the curve of .99, and
# 4 % of the questions that cannot be answered are called "high". Similarities are bge-small's. The thresholds
# were kept, not chosen again, when questions about a person came to be judged by whose words they are.
SURE, POSSIBLE = 0.7, 0.3
FIRST_FEW = 5
UNRELATED = -6.0
"""The second stage's score below which a text has nothing to do with a question: on SQuAD the best hit of
no answered question in 194, and of 3 % of those that nothing answers."""


def confidence(certain: float, ranked: Sequence[Ranked]) -> Confidence:
    """`certainty` in words; where it is low, what the second stage has read decides whether there is any."""
    if certain >= SURE:
        return "high"
    logits = [item.logit for item in ranked if item.logit is not None]
    unrelated = bool(logits) and max(logits) < UNRELATED
    return "low" if certain >= POSSIBLE and not unrelated else "none"


def certainty(ranked: Sequence[Ranked], question: Question) -> float:
    """How likely it is that the store holds what was asked for, 0 to 1.

    By the best likeness and the best share of the question's words: among the first few; or, where it is
    about a person, among what was said by or about them, and then by how much more of the words that has than
    the rest. "What did Ana say about the flood?" is not answered where it was Ben who spoke of one.
    """
    found = [item.candidate for item in ranked if not item.of_part]
    ahead = 0.0
    if question.speakers:
        theirs, others = list[Candidate](), list[Candidate]()
        for each in found:
            (theirs if _is_theirs(each, question) else others).append(each)
        ahead = _best_coverage(theirs) - _best_coverage(others)
        found = theirs
    else:
        found = found[:FIRST_FEW]
    evidence = _best_coverage(found) + ahead
    similarities = [c.similarity for c in found if c.similarity is not None]
    if not similarities:
        return _logistic(6.8 * (evidence - 0.525))
    return _logistic(6.8 * (4 * max(similarities) + evidence - 2.875))


def _is_theirs(candidate: Candidate, question: Question) -> bool:
    by = (candidate.speaker or "").casefold()
    return by in question.speakers or names.speaks_of(candidate.text, question.called)


def _best_coverage(candidates: Sequence[Candidate]) -> float:
    return max((candidate.coverage for candidate in candidates), default=0.0)


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x))


def _normalised(scores: Sequence[float | None], among: Sequence[bool] | None = None) -> list[float]:
    """From 0 to 1, from the least to the most of those `among` which the others are placed too."""
    counted = [score for n, score in enumerate(scores) if score is not None and (among is None or among[n])]
    low, high = (min(counted), max(counted)) if counted else (0.0, 0.0)
    spread = high - low
    if spread <= 0:
        return [0.0 if score is None else float(score > 0) for score in scores]
    return [0.0 if score is None else min(1.0, max(0.0, (score - low) / spread)) for score in scores]
