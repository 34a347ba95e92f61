"""The measurements, small: that they run, not what they say of the machine that runs the tests."""

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


@pytest.mark.slow
def test_everything_is_measured_and_written_down(tmp_path: Path) -> None:
    printed, written = bench(tmp_path / "bench.json", "--passages", "150", "300")

    assert written["machine"]["cores"] >= 1
    assert written["machine"]["texts"].startswith("made up")
    figures = {figure["name"]: figure for figure in written["figures"]}
    assert all(figure["value"] > 0 for figure in figures.values())
    judged = {name for name, figure in figures.items() if figure["met"] is not None}
    for begins in ("stdio to tools/list, resident running", "pipe", "resident", "ingest", "search p50, 300"):
        assert any(name.startswith(begins) for name in judged), begins
    assert "resident server at rest" in printed


def test_a_ratio_is_of_the_figure_to_its_reference_and_is_what_a_target_bounds() -> None: ...
