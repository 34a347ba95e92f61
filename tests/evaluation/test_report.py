"""An evaluation from end to end, on the product's own store and model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mcp_rag.evaluation import dataset, runs
from mcp_rag.evaluation.measures import Figure
from mcp_rag.evaluation.report import Wishes, evaluate
from mcp_rag.rag import Rag
from tests.evaluation import sets


@contextmanager
def unwatched(what: str, unit: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def _of(figures: tuple[Figure, ...]) -> dict[str, float]:
    return {figure.measure: figure.value for figure in figures}


async def test_adversarial_and_unanswerable_questions_stay_out_of_recall(rag: Rag, tmp_path: Path) -> None:
    report = await evaluate(rag, dataset.read(sets.garden(tmp_path)), Wishes(answers=True), unwatched)
    assert {figure.questions for figure in report.figures} == {5}
    assert {each.name: each.figures[0].questions for each in report.categories} == {"plain": 4, "both": 1}
    assert {figure.questions for figure in report.adversarial} == {1}
    assert {figure.questions for figure in report.sessions} == {5}
    assert report.certainty is not None
    assert (report.certainty.questions, report.certainty.answerable_share) == (7, 5 / 7)


async def test_certainty_is_calibrated_on_one_group_and_judged_on_the_other(rag: Rag, tmp_path: Path) -> None:
    report = await evaluate(rag, dataset.read(sets.garden(tmp_path)), Wishes(answers=True), unwatched)
    assert report.calibration is not None
    passing = [each.passing for each in report.calibration.thresholds]
    # The second garden has two questions with an answer, and one without. The first has three to ask of it.
    assert {each.answerable.of for each in passing} == {2}
    assert {each.unanswerable.of for each in passing} == {1}
    assert {each.elsewhere.of for each in passing} == {3}
    said = {each.confidence: each.said for each in report.calibration.levels}
    # Who else's beehive swarmed is not known in the first garden.
    assert (said["high"].answerable.share or 0) > (said["high"].elsewhere.share or 0)
    assert sum(each.elsewhere.share or 0 for each in said.values()) == 1


async def test_easy_questions_are_found_in_the_scope_of_their_group(rag: Rag, tmp_path: Path) -> None:
    out = tmp_path / "run.trec"
    report = await evaluate(rag, dataset.read(sets.garden(tmp_path)), Wishes(out=out), unwatched)
    assert _of(report.figures)["R@10"] == 1.0
    assert _of(report.sessions)["R@5"] == 1.0
    run = runs.read(out)
    assert set(run) == {"q0", "q1", "q2", "q3", "q4", "q5"}
    assert set(run["q0"]) <= {f"row{n}" for n in range(6)}
    assert set(run["q3"]) <= {f"row{n}" for n in range(6, 12)}


async def test_a_run_compared_with_itself_differs_in_nothing(rag: Rag, tmp_path: Path) -> None:
    read = dataset.read(sets.garden(tmp_path))
    wishes = Wishes(out=tmp_path / "run.trec")
    await evaluate(rag, read, wishes, unwatched)
    report = await evaluate(rag, read, replace(wishes, compare=wishes.out, out=None), unwatched)
    assert {(each.difference, each.low, each.high, each.p) for each in report.differences} == {(0, 0, 0, 1)}


async def test_a_worse_run_is_told_from_a_better_one(rag: Rag, tmp_path: Path) -> None:
    worse = tmp_path / "worse.trec"
    runs.write(worse, {"q0": ["row5"], "q1": ["row5"], "q3": ["row6"]})
    report = await evaluate(rag, dataset.read(sets.garden(tmp_path)), Wishes(compare=worse), unwatched)
    difference = {each.measure: each for each in report.differences}["R@10"]
    assert difference.questions == 3
    assert (difference.before, difference.now) == (1 / 3, 1.0)


async def test_what_ask_answers_and_refuses_is_counted(rag: Rag, tmp_path: Path) -> None:
    report = await evaluate(
        rag, dataset.read(sets.garden(tmp_path)), Wishes(answers=True, limit=2), unwatched
    )
    assert report.refusal is not None
    assert report.refusal.answered_answerable.of == 2
    assert report.refusal.answered_unanswerable.of == 2
    # Nobody said anything of trains or Lisbon.
    assert report.refusal.recall.share in (0.5, 1.0)


async def test_a_date_that_is_not_understood_is_told(rag: Rag, tmp_path: Path) -> None:
    corpus = [sets.line("a", "It rained.", date="some day", speaker="A")]
    folder = sets.write(tmp_path, corpus, [sets.line("q", "Did it rain?")], qrels="q a 1\n")
    report = await evaluate(rag, dataset.read(folder), Wishes(), unwatched)
    assert report.undated == 1
    assert _of(report.figures)["R@1"] == 1.0
