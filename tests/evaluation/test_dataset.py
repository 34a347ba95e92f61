"""Sets as folders hold them, and which of their questions are asked."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcp_rag.errors import InvalidInput
from mcp_rag.evaluation import dataset
from mcp_rag.evaluation.dates import moment
from mcp_rag.evaluation.sample import choose, spread
from tests.evaluation import sets


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2024-05-03", datetime(2024, 5, 3, tzinfo=UTC)),
        ("2024-05-03T19:05:00+02:00", datetime(2024, 5, 3, 17, 5, tzinfo=UTC)),
        ("7:05 pm on 3 May, 2024", datetime(2024, 5, 3, 19, 5, tzinfo=UTC)),
        ("2024/05/03 (Fri) 19:05", datetime(2024, 5, 3, 19, 5, tzinfo=UTC)),
        ("May 3, 2024", datetime(2024, 5, 3, tzinfo=UTC)),
    ],
)
def test_a_date_is_understood_as_people_write_it(said: str, meant: datetime) -> None:
    assert moment(said) == meant


@pytest.mark.parametrize("said", ["3 May", "19:05", "Monday", "soon", "99999999999999999999"])
def test_a_date_that_names_no_day_is_none(said: str) -> None:
    assert moment(said) is None


def test_a_set_without_any_meta_can_be_read(tmp_path: Path) -> None:
    folder = sets.write(tmp_path, [{"id": 1, "text": "One."}], [{"id": "q", "text": "Two?"}], qrels="q 1 1\n")
    read = dataset.read(folder)
    assert read.rows["1"].session == read.rows["1"].speaker == ""
    assert read.questions["q"].answers == ()
    assert [question.id for question in read.answerable] == ["q"]


def test_a_question_that_is_merely_not_judged_is_not_unanswerable(tmp_path: Path) -> None:
    read = dataset.read(sets.garden(tmp_path))
    assert [question.id for question in read.answerable] == ["q0", "q1", "q2", "q3", "q4"]
    assert [question.id for question in read.unanswerable] == ["q5", "q6"]


def test_other_judgements_are_found_beside_the_set_or_elsewhere(tmp_path: Path) -> None:
    folder = sets.garden(tmp_path / "garden")
    for place, name in (
        (folder / "audited.tsv", Path("audited.tsv")),
        (tmp_path / "my.tsv", tmp_path / "my.tsv"),
    ):
        place.write_text("q7\trow9\t1\nq0\trow0\t0\n")
        assert [each.id for each in dataset.read(folder, judgements=name).answerable] == ["q7"]
    with pytest.raises(InvalidInput, match="There are no judgements"):
        dataset.read(folder, judgements=Path("missing.tsv"))


def test_a_folder_that_is_no_set_is_told_what_one_is_and_where_there_are_some(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no corpus\.jsonl, no queries\.jsonl, no qrels\.tsv") as refused:
        dataset.read(tmp_path)
    assert "github.com/snap-research/locomo" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("corpus.jsonl", '{"id": "a", "text": "x"}\nnot json\n', r"corpus\.jsonl:2 is no"),
        ("corpus.jsonl", '{"id": "a"}\n', r"corpus\.jsonl:1 is no"),
        ("queries.jsonl", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "id 'a' twice"),
        ("qrels.tsv", "a\tb\n", r"qrels\.tsv:1 is no question"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    folder = sets.garden(tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(InvalidInput, match=said):
        dataset.read(folder)


def test_a_limit_takes_an_even_spread_of_each_kind(tmp_path: Path) -> None:
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]
    assert spread([1, 2], 5) == [1, 2]
    assert spread([1, 2], 0) == []
    sample = choose(dataset.read(sets.garden(tmp_path)), limit=2)
    assert [question.id for question in sample.answerable] == ["q0", "q2"]
    assert [question.id for question in sample.unanswerable] == ["q5", "q6"]


def test_the_standard_sample_is_taken_unless_everything_is_wanted(tmp_path: Path) -> None:
    folder = sets.garden(tmp_path)
    (folder / "sample1.txt").write_text("q3\n")
    read = dataset.read(folder)
    sample = choose(read)
    assert ([q.id for q in sample.answerable], [q.id for q in sample.unanswerable]) == (["q3"], ["q5"])
    assert sample.groups == {"g1", "g2"}
    assert len(choose(read, everything=True).answerable) == 5
