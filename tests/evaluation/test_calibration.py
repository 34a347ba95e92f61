"""Thresholds of certainty, chosen on half of a set and judged on the other."""

from mcp_rag.evaluation.asking import Found
from mcp_rag.evaluation.calibration import calibrate
from mcp_rag.evaluation.dataset import Question
from mcp_rag.models import Confidence

Searched = list[tuple[Question, Found]]


def test_a_threshold_lets_pass_what_was_wanted_of_the_half_it_was_chosen_on() -> None:
    here = _searched("a", *(n / 10 for n in range(1, 11)))
    there = _searched("b", 0.05, 0.15, 0.95, 0.96)
    told = calibrate([*here, *there], _searched("b", 0.5, 0.15), [])
    assert told is not None
    certainties = {each.wanted: each.certainty for each in told.thresholds}
    assert certainties == {0.99: 0.1, 0.95: 0.1, 0.9: 0.2, 0.8: 0.3}
    passing = {each.wanted: each.passing for each in told.thresholds}
    assert (passing[0.99].answerable.share, passing[0.99].answerable.of) == (0.75, 4)
    assert (passing[0.9].answerable.share, passing[0.9].unanswerable.share) == (0.5, 0.5)
    assert passing[0.9].elsewhere.share is None


def test_a_set_that_is_one_group_is_halved_by_its_questions() -> None:
    told = calibrate(_searched("", 0.9, 0.1, 0.8, 0.2), _searched("", 0.3, 0.4), [])
    assert told is not None
    passing = told.thresholds[0].passing
    assert (passing.answerable.of, passing.unanswerable.of) == (2, 1)


def test_how_often_each_confidence_is_said_counts_all_questions() -> None:
    answerable = [*_searched("a", 0.9, 0.8, sure="high"), *_searched("b", 0.1, 0.1, sure="none")]
    told = calibrate(answerable, [], _searched("b", 0.4, 0.1, 0.1, 0.1, sure="low"))
    assert told is not None
    said = {each.confidence: (each.said.answerable.share, each.said.elsewhere.share) for each in told.levels}
    assert said == {"high": (0.5, 0), "low": (0, 1), "none": (0.5, 0)}


def test_nothing_is_calibrated_where_nothing_should_be_refused_or_nothing_is_answered() -> None:
    assert calibrate(_searched("a", 0.9), [], []) is None
    assert calibrate([], _searched("a", 0.9), []) is None


def _searched(group: str, *certainties: float, sure: Confidence = "high") -> Searched:
    return [
        (
            Question(id=f"{group}{n}-{certainty}", text="?", group=group, category="", answers=()),
            _found(certainty, sure),
        )
        for n, certainty in enumerate(certainties)
    ]


def _found(certainty: float, confidence: Confidence) -> Found:
    return Found((), (), certainty, confidence, lexical=False, notice=None)
