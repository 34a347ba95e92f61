"""mcp-rag eval: the command, its stores, and what it leaves behind."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_rag.postgres.embedded import EmbeddedServer
from tests.cli.command import ROOT, Command, stopped, until
from tests.evaluation import sets


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    return sets.garden(tmp_path / "garden")


@pytest.fixture
def evaluating(anywhere: Command, tmp_path: Path) -> Command:
    """The command line with a folder of its own for what is temporary, and a store that nobody can open."""
    (tmp_path / "t").mkdir()
    elsewhere = "postgresql://nobody@127.0.0.1:1/nothing"
    return anywhere.with_environment(TMPDIR=str(tmp_path / "t"), MCP_RAG_DATABASE_URL=elsewhere)


def test_a_set_is_stored_asked_scored_and_gone(evaluating: Command, garden: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.trec"
    told = evaluating("eval", garden, "--by-category", "--answers", "--out", out).out
    for shown in (
        "4 conversations, 12 messages, 12 passages",
        "R@10     1.000  [1.000, 1.000]  5",
        "plain ",
        "adversarial, apart",
        "all of it in the top 10",
        "what nothing answers",
    ):
        assert shown in told
    assert len({line.split()[0] for line in out.read_text().splitlines()}) == 7
    assert list((tmp_path / "t").iterdir()) == []
    assert evaluating.processes() == []


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Path]:
    """A folder for kept stores. A server that runs for root may keep its files elsewhere."""
    stores = tmp_path / "stores"
    yield stores
    for store in stores.iterdir():
        EmbeddedServer(store).destroy()


def test_a_kept_store_is_used_again_and_its_run_is_the_same(
    evaluating: Command, garden: Path, stores: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    evaluating("eval", garden, "--store", stores, "--out", runs)
    (kept,) = stores.iterdir()
    assert kept.name.startswith("garden-")
    (told,) = evaluating(
        "eval", garden, "--store", stores, "--compare", runs / "garden.trec", "--json"
    ).document["sets"]
    assert list(stores.iterdir()) == [kept]
    assert told["messages"] == 12
    assert {each["difference"] for each in told["differences"]} == {0}
    assert evaluating.processes() == []


def test_every_wish_is_granted_and_told_in_one_run(evaluating: Command, garden: Path, tmp_path: Path) -> None:
    (garden / "sample.txt").write_text("q3\n")
    (garden / "stricter.tsv").write_text("q0\trow0\t1\nq3\trow6\t1\n")
    earlier = tmp_path / "earlier.trec"
    earlier.write_text("q0 Q0 row5 1 1.0 other\nq3 Q0 row6 1 1.0 other\n")
    wishes = ("--all", "--judgements", "stricter.tsv", "--compare", earlier, "--accurate", "--answers")
    told = evaluating("eval", garden, *wishes).out
    rows = [line.split() for line in told.splitlines()]
    assert told.splitlines()[1].endswith(", accurate")
    assert ["R@10", "1.000", "[1.000,", "1.000]", "2"] in rows
    (compared,) = [row for row in rows if row[:4] == ["R@10", "0.500", "1.000", "+0.500"]]
    assert (0 < float(compared[-2]) <= 1, compared[-1]) == (True, "2")
    assert [row[:3] for row in rows if "refusing" in row] == [
        ["precision", "of", "refusing"],
        ["recall", "of", "refusing"],
    ]
    (answered,) = [row for row in rows if row[:5] == ["answered,", "of", "what", "is", "answered"]]
    assert answered[-1] == "2"


def test_judgements_that_are_nowhere_are_refused_by_name(evaluating: Command, garden: Path) -> None:
    assert (
        "There are no judgements in none.tsv."
        in evaluating("eval", garden, "--judgements", "none.tsv", code=2).err
    )


def test_what_is_no_set_is_told_what_one_is(evaluating: Command, tmp_path: Path) -> None:
    told = evaluating("eval", tmp_path, code=2)
    assert "it has no corpus.jsonl" in told.err
    assert "rajpurkar.github.io/SQuAD-explorer" in told.err
    refused = evaluating("eval", tmp_path, "--json", code=2)
    assert refused.document["error"]["type"] == "InvalidInput"


def test_without_the_extra_it_says_what_to_install(evaluating: Command, garden: Path, tmp_path: Path) -> None:
    # A module that fails as a missing one does stands before the installed one.
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "ir_measures.py").write_text("raise ModuleNotFoundError(name='ir_measures')\n")
    without = evaluating.with_environment(PYTHONPATH=f"{hidden}:{ROOT}")
    told = without("eval", garden, code=1)
    assert "pip install 'mcp-rag-memory[eval]'" in told.err
    assert "Traceback" not in told.err


def test_a_stopped_evaluation_leaves_nothing(evaluating: Command, garden: Path, tmp_path: Path) -> None:
    process = evaluating.start("eval", garden)
    until(lambda: list((tmp_path / "t").iterdir()), process)
    assert stopped(process, signal.SIGINT).code == 130
    assert list((tmp_path / "t").iterdir()) == []
    assert evaluating.processes() == []


def test_make_eval_says_where_sets_are_when_there_are_none(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "eval", f"DATA={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "rajpurkar.github.io/SQuAD-explorer" in done.stdout
