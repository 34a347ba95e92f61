"""What certainty is worth: what passes a threshold, chosen on half of a set and judged on the other half."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeAlias, get_args

from mcp_rag.evaluation.answers import Share, share
from mcp_rag.evaluation.asking import Found
from mcp_rag.evaluation.dataset import Question
from mcp_rag.models import Confidence, Frozen

KEPT = (0.99, 0.95, 0.9, 0.8)
"""Shares of the answered questions that thresholds are chosen to let pass."""

Searched: TypeAlias = Sequence[tuple[Question, Found]]


class OfEach(Frozen):
    """A share of each kind of question."""

    answerable: Share
    unanswerable: Share
    elsewhere: Share
    """Of answerable questions that were asked of conversations which are not theirs."""


class Threshold(Frozen):
    """The highest certainty that lets a share of the answered questions pass, on one half of the set."""

    wanted: float
    certainty: float
    passing: OfEach
    """On the other half."""


class Level(Frozen):
    """How often the product says so, of all questions."""

    confidence: Confidence
    said: OfEach


class Calibration(Frozen):
    thresholds: tuple[Threshold, ...]
    levels: tuple[Level, ...]


def calibrate(answerable: Searched, unanswerable: Searched, elsewhere: Searched) -> Calibration | None:
    """None where there is nothing to choose by, or nothing that should be refused."""
    kinds = answerable, unanswerable, elsewhere
    groups = sorted({question.group for kind in kinds for question, _ in kind})
    chosen_by = _half(answerable, groups, 0)
    if not chosen_by or not (unanswerable or elsewhere):
        return None
    others = [_half(kind, groups, 1) for kind in kinds]
    return Calibration(
        thresholds=tuple(_threshold(wanted, chosen_by, others) for wanted in KEPT),
        levels=tuple(_level(confidence, kinds) for confidence in get_args(Confidence)),
    )


def _half(kind: Searched, groups: Sequence[str], which: int) -> Searched:
    """Every other group, whole; of a set that is one group, every other question."""
    if len(groups) < 2:
        return kind[which::2]
    chosen = groups[which::2]
    return [each for each in kind if each[0].group in chosen]


def _threshold(wanted: float, chosen_by: Searched, others: Sequence[Searched]) -> Threshold:
    falling = sorted((found.certainty for _, found in chosen_by), reverse=True)
    certainty = falling[ceil(wanted * len(falling)) - 1]
    return Threshold(
        wanted=wanted,
        certainty=certainty,
        passing=_of_each(others, lambda found: found.certainty >= certainty),
    )


def _level(confidence: Confidence, kinds: Sequence[Searched]) -> Level:
    return Level(confidence=confidence, said=_of_each(kinds, lambda found: found.confidence == confidence))


def _of_each(kinds: Sequence[Searched], true: Callable[[Found], bool]) -> OfEach:
    answerable, unanswerable, elsewhere = (share([true(found) for _, found in kind]) for kind in kinds)
    return OfEach(answerable=answerable, unanswerable=unanswerable, elsewhere=elsewhere)
