"""The measurements, small: that they are taken, and not what they say of the machine that runs the tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def bench(out: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """What it prints and what it writes, on texts that it makes up."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--data", str(out.parent), "--out", str(out), *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    return bench(tmp_path_factory.mktemp("bench") / "bench.json", "--passages", "150", "300")


@pytest.mark.slow
def test_everything_is_measured_printed_and_written(measured: tuple[str, dict[str, Any]]) -> None:
    printed, written = measured

    assert written["machine"]["cores"] >= 1
    assert written["machine"]["texts"].startswith("made up")
    figures = {figure["name"]: figure for figure in written["figures"]}
    assert all(figure["value"] > 0 for figure in figures.values())
    assert all(name.strip() in printed for name in figures)
    assert {name for name, figure in figures.items() if figure["met"] is not None} == {
        "stdio to tools/list, resident running, 2025-11-25",
        "stdio to tools/list, resident running, 2026-07-28",
        "stdio to tools/list, resident not running, 2025-11-25",
        "stdio to tools/list, resident not running, 2026-07-28",
        "memory of the pipe",
        "memory of the resident at rest, model loaded",
        "memory of the resident after 20 searches",
        "ingest with vectors, 300 passages",
        "ingest of 10 times as much as 30 passages",
        "lexical leg p95, common words, 150 passages",
        "  its share of the best 10, common words, 150 passages",
        "lexical leg p95, common words, 300 passages",
        "  its share of the best 10, common words, 300 passages",
        "search p50, 150 passages",
        "search p50, 300 passages",
        "search p95, 300 passages against 150",
    }


@pytest.mark.slow
def test_a_target_bounds_the_ratio_to_a_reference_or_else_the_figure(
    measured: tuple[str, dict[str, Any]],
) -> None:
    judged = [figure for figure in measured[1]["figures"] if figure["met"] is not None]

    for figure in judged:
        value, target = figure["value"], figure["target"]
        if figure["reference"]:
            value /= figure["reference"]["value"]
            assert figure["ratio"] == pytest.approx(value)
        assert figure["met"] == (value >= target["bound"] if target["at_least"] else value <= target["bound"])
