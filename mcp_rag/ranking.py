"""Two legs to one ranking, and how sure it is. Pure.

Scores of each leg are min-max normalised over the candidates and added with fixed weights: measured better
than reciprocal rank fusion on chats (recall@10 .72 against .66) and never worse than either leg on documents.
The square of the coverage is added, so that a passage with every word of a question stands above one that is
merely like it: nDCG@10 .550 to .576 on 400 questions about chats, .916 to .923 on 400 about documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_rag.models import Candidate, Confidence

DENSE_WEIGHT, LEXICAL_WEIGHT, COVERAGE_WEIGHT = 0.6, 0.4, 0.25


@dataclass(frozen=True, slots=True)
class Ranked:
    candidate: Candidate
    score: float


def rank(candidates: Sequence[Candidate]) -> list[Ranked]:
    """Best first, one passage of each message: its best. Equal scores keep an order of their own."""
    lexical = _normalised([c.lexical for c in candidates])
    dense = _normalised([c.similarity for c in candidates])
    weight = DENSE_WEIGHT if any(c.similarity is not None for c in candidates) else 0.0
    best_possible = weight + LEXICAL_WEIGHT + COVERAGE_WEIGHT
    scored = (
        Ranked(c, (weight * d + LEXICAL_WEIGHT * w + COVERAGE_WEIGHT * c.coverage**2) / best_possible)
        for c, d, w in zip(candidates, dense, lexical, strict=True)
    )
    best: dict[int, Ranked] = {}
    for item in sorted(scored, key=lambda item: (-item.score, item.candidate.passage_key)):
        best.setdefault(item.candidate.message_key, item)
    return list(best.values())


# Chosen on half of 800 questions over open chats and paragraphs, each asked of the store that answers it and
# of one that does not; on the other half they tell the two apart with an area under the curve of .99, and
# 4 % of the questions that cannot be answered are called "high". Similarities are bge-small's.
SURE, POSSIBLE = 3.0, 2.75
SURE_BY_WORDS, POSSIBLE_BY_WORDS = 0.65, 0.4
FIRST_FEW = 5


def confidence(ranked: Sequence[Ranked]) -> Confidence:
    """Whether the store holds what was asked for: the best similarity and the best share of the words."""
    first = [item.candidate for item in ranked[:FIRST_FEW]]
    coverage = max((candidate.coverage for candidate in first), default=0.0)
    similarities = [c.similarity for c in first if c.similarity is not None]
    if not similarities:
        return _level(coverage, SURE_BY_WORDS, POSSIBLE_BY_WORDS)
    return _level(4 * max(similarities) + coverage, SURE, POSSIBLE)


def _level(evidence: float, sure: float, possible: float) -> Confidence:
    if evidence >= sure:
        return "high"
    return "low" if evidence >= possible else "none"


def _normalised(scores: Sequence[float | None]) -> list[float]:
    known = [score for score in scores if score is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    spread = high - low
    if spread <= 0:
        return [0.0 if score is None else float(score > 0) for score in scores]
    return [0.0 if score is None else (score - low) / spread for score in scores]
