"""What is said of answers without a model: evidence, containment, certainty and refusal."""

from pathlib import Path

import pytest

from mcp_rag.evaluation import answers, dataset
from mcp_rag.evaluation.asking import Found
from mcp_rag.evaluation.dataset import Question
from mcp_rag.models import Answer, Citation, NoAnswer
from tests.evaluation import sets


def test_an_answer_is_found_whatever_its_case_punctuation_and_articles() -> None:
    assert answers.has_answer(["The Pear-Tree!"], ["It flew into a peartree, I think."])
    assert answers.has_answer(["nothing", "a copper can"], ["He has   THE copper can."])


def test_an_answer_is_not_found_inside_of_a_longer_word_or_in_two_texts() -> None:
    assert not answers.has_answer(["20"], ["It was in 2022."])
    assert not answers.has_answer(["copper can"], ["It is copper", "can it be?"])
    assert not answers.has_answer(["the", "?"], ["The end?"])


def test_evidence_is_complete_only_with_every_row(tmp_path: Path) -> None:
    read = dataset.read(sets.garden(tmp_path))
    questions = [read.questions[name] for name in ("q0", "q3", "q4")]
    filler = [f"x{n}" for n in range(4)]
    found = {
        "q0": _found(["row0", *filler], "I planted garlic."),
        "q3": _found([*filler, "y", "row6"], "Over the fence it went."),
        "q4": _found(["row10", *filler, "y", "row11"]),
    }
    five, ten = answers.evidence(read, questions, found)
    assert (five.complete.share, ten.complete.share) == (pytest.approx(1 / 3), 1.0)
    # q4 has no answer to look for. q3's stands in its sixth hit, and not in its evidence.
    assert (five.contained.share, five.contained.of) == (0.5, 2)
    assert (ten.contained.share, ten.contained_where_evidence_has_it.of) == (1.0, 1)
    assert five.contained_where_evidence_has_it.share == 1.0


def test_a_perfect_certainty_has_an_area_of_one_and_a_constant_one_that_of_chance() -> None:
    labels = [True, True, False, False, False]
    assert answers.precision_recall_area([5, 4, 3, 2, 1], labels) == 1
    assert answers.precision_recall_area([1, 1, 1, 1, 1], labels) == pytest.approx(2 / 5)


def test_the_area_is_what_it_is_by_hand() -> None:
    # Right at the 1st and at the 3rd place: half of the recall at precision 1, half at 2/3.
    assert answers.precision_recall_area([0.9, 0.8, 0.7, 0.1], [True, False, True, False]) == pytest.approx(
        0.5 * 1 + 0.5 * 2 / 3
    )
    # A tie of the two in the middle is one threshold at the 3rd place, in whichever order they come.
    for labels in ([True, False, True, False], [True, True, False, False]):
        assert answers.precision_recall_area([0.9, 0.7, 0.7, 0.1], labels) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_certainty_is_judged_for_both_kinds_of_questions() -> None:
    known, unknown = [_question("a"), _question("b")], [_question("c"), _question("d")]
    sure = {"a": 0.9, "b": 0.4, "c": 0.5, "d": 0.1}
    told = answers.certainty(known, unknown, {name: _found([], sure=value) for name, value in sure.items()})
    assert told is not None
    assert told.answerable == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert told.unanswerable == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert (told.answerable_share, told.questions) == (0.5, 4)
    assert (
        answers.certainty(known, [], {name: _found([], sure=value) for name, value in sure.items()}) is None
    )


def test_refusing_is_right_only_where_nothing_answers() -> None:
    known = [_question("a", "ten euros"), _question("b", "ten euros"), _question("c")]
    unknown = [_question("d"), _question("e")]
    replies = {
        "a": _answer("It cost ten euros."),
        "b": _answer("It was dear."),
        "c": NoAnswer(reason="no"),
        "d": NoAnswer(reason="no"),
        "e": _answer("Perhaps."),
    }
    told = answers.refusal(known, unknown, replies, [NoAnswer(reason="no"), _answer("Yes.")])
    assert told.answered_answerable.share == pytest.approx(2 / 3)
    assert told.answered_unanswerable.share == 0.5
    assert (told.precision.share, told.precision.of) == (0.5, 2)
    assert (told.recall.share, told.recall.of) == (0.5, 2)
    assert [(each.share, each.of) for each in told.quoted] == [(0.5, 2), (0.5, 2)]
    assert told.answered_elsewhere.share == 0.5


def _found(rows: list[str], last_text: str = "", sure: float = 0.0) -> Found:
    """Rows of which only the last has a text that matters, or the first if they are few."""
    texts = ["" for _ in rows]
    if texts:
        texts[-1 if len(rows) > 5 else 0] = last_text
    return Found(tuple(rows), tuple(texts), sure, "high", lexical=False, notice=None)


def _question(name: str, *correct: str) -> Question:
    return Question(id=name, text="?", group="", category="", answers=correct)


def _answer(quote: str) -> Answer:
    citation = Citation(
        n=1, uri="conversation://c/messages/0", quote=quote, title="", speaker=None, date=None, verified=True
    )
    return Answer(text=quote, citations=(citation,), confidence="high")
