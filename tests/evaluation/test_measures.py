"""Measures against values computed by hand, and intervals and tests on data of which the truth is known."""

from math import comb, log2
from pathlib import Path

import numpy as np
import pytest

from mcp_rag.errors import InvalidInput
from mcp_rag.evaluation import measures, runs
from mcp_rag.evaluation.measures import Scored

QRELS = {"q1": {"a": 1, "b": 1}, "q2": {"c": 1}, "q3": {"d": 1}}
RUN = {"q1": ["x", "a", "y", "z", "w", "b"], "q2": ["c"], "q3": []}


def test_the_measures_are_what_they_are_by_hand() -> None:
    found = {f.measure: f for f in measures.figures(measures.score(RUN, QRELS, ["q1", "q2", "q3"]))}
    q1 = (1 / log2(3) + 1 / log2(7)) / (1 + 1 / log2(3))
    assert found["R@1"].value == pytest.approx((0 + 1 + 0) / 3)
    assert found["R@5"].value == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["R@10"].value == pytest.approx((1 + 1 + 0) / 3)
    assert found["RR@10"].value == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["nDCG@10"].value == pytest.approx((q1 + 1 + 0) / 3)
    assert {figure.questions for figure in found.values()} == {3}


def test_what_stands_below_ten_does_not_count_in_the_first_ten() -> None:
    run = {"q2": [*(f"x{n}" for n in range(10)), "c"]}
    assert all(f.value == 0 for f in measures.figures(measures.score(run, QRELS, ["q2"])))


def test_a_question_without_a_judgement_does_not_count() -> None:
    scored = measures.score({**RUN, "q9": ["a"]}, {**QRELS, "q8": {"a": 0}}, ["q2", "q8", "q9"])
    assert scored.questions == ["q2"]
    assert measures.figures(measures.score(RUN, QRELS, ["q9"])) == []


def test_the_interval_of_half_hits_is_that_of_a_binomial() -> None:
    values = np.repeat([0.0, 1.0], 200)[:, None]
    low, high = measures.interval(values)
    expected = 1.96 * np.sqrt(0.25 / 400)
    assert 0.5 - low[0] == pytest.approx(expected, rel=0.15)
    assert high[0] - 0.5 == pytest.approx(expected, rel=0.15)


def test_the_interval_of_equal_values_has_no_width() -> None:
    low, high = measures.interval(np.full((30, 1), 0.25))
    assert (low[0], high[0]) == (0.25, 0.25)


def test_the_sign_flip_test_agrees_with_the_exact_one() -> None:
    # Nine questions better by as much, one worse: as extreme are none, one, nine or ten heads of ten.
    differences = np.array([[0.1]] * 9 + [[-0.1]])
    exact = 2 * (comb(10, 0) + comb(10, 1)) / 2**10
    assert measures.sign_flips(differences)[0] == pytest.approx(exact, abs=0.005)


def test_the_sign_flip_test_finds_nothing_where_nothing_is() -> None:
    assert measures.sign_flips(np.zeros((20, 1)))[0] == 1
    balanced = np.tile([[0.5], [-0.5]], (50, 1))
    assert measures.sign_flips(balanced)[0] == 1


def test_a_comparison_pairs_the_questions_that_both_runs_have() -> None:
    questions = [f"q{n}" for n in range(40)]
    now = Scored(("R@5",), questions, np.array([[1.0]] * 40))
    before = Scored(("R@5",), questions[::-1][:30], np.array([[0.0]] * 15 + [[1.0]] * 15))
    (difference,) = measures.compare(now, before)
    assert difference.questions == 30
    assert (difference.before, difference.now, difference.difference) == (0.5, 1.0, 0.5)
    assert 0.25 < difference.low < 0.5 < difference.high < 0.75
    assert difference.p < 0.001


def test_runs_without_a_common_question_are_not_compared() -> None:
    scored = Scored(("R@5",), ["q1"], np.array([[1.0]]))
    assert measures.compare(scored, Scored(("R@5",), ["q2"], np.array([[1.0]]))) == []


def test_a_run_comes_back_in_its_order(tmp_path: Path) -> None:
    run = {"q1": ["b", "a", "c"], "q2": ["z"]}
    runs.write(tmp_path / "new" / "run.trec", run)
    assert (tmp_path / "new" / "run.trec").read_text().splitlines()[0] == "q1 Q0 b 1 3 mcp-rag"
    assert runs.read(tmp_path / "new" / "run.trec") == run


def test_a_file_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("some words\n")
    with pytest.raises(InvalidInput, match=r"notes\.txt is no TREC run"):
        runs.read(tmp_path / "notes.txt")
    with pytest.raises(InvalidInput, match="cannot be read"):
        runs.read(tmp_path / "missing.trec")
    with pytest.raises(InvalidInput, match="cannot stand in a TREC run"):
        runs.write(tmp_path / "run.trec", {"q 1": ["a"]})


def test_a_session_stands_where_its_best_row_does() -> None:
    sessions = {"a": "s1", "b": "s2", "c": "s1", "d": ""}
    assert runs.of_sessions({"q": ["d", "b", "a", "c"]}, sessions) == {"q": ["s2", "s1"]}
