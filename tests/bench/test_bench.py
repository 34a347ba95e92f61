"""The measurements, small: that they are taken, and not what they say of the machine that runs the tests."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_rag.postgres import schema
from mcp_rag.postgres.embedded import EmbeddedServer

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


TRANSPORTS = ("stdio", "SSE", "HTTP")
CALLS = {
    *(f"nothing, over {over}, {era}, p50" for over in TRANSPORTS for era in ("2025-11-25", "2026-07-28")),
    *(f"memory after 40 searches, then 1 times 50 at once, over {over}" for over in TRANSPORTS),
    *(f"  after as many once more, over {over}" for over in TRANSPORTS),
}


def shares_of_the_nearest(size: int, of: str = "all") -> set[str]:
    return {f"  share of the nearest {depth}, {of} of {size:,} passages" for depth in (10, 100)}


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
    judged = {name for name, figure in figures.items() if figure["met"] is not None}
    # Whether so few passages have one in ten among them is chance.
    assert judged - shares_of_the_nearest(150, "1 in 10") - shares_of_the_nearest(300, "1 in 10") == {
        "stdio to tools/list, resident running, 2025-11-25",
        "stdio to tools/list, resident running, 2026-07-28",
        "stdio to tools/list, resident not running, 2025-11-25",
        "stdio to tools/list, resident not running, 2026-07-28",
        "memory of the pipe",
        "memory of the resident at rest, model loaded",
        "memory of the resident after 20 searches",
        "ingest with vectors, 300 passages",
        "what ask adds to its search and its model, p50",
        "ask until its sources are there, p50",
        "ask once more, p50",
        "POST /search p50",
        "/livez, 64 clients searching, p99",
        "until calls are answered again",
        "until what is stored then has its vector",
        "POST /search by 16 clients",
        "who calls, and what they may see, p50",
        *CALLS,
        "ingest of 10 times as much as 30 passages",
        "lexical leg p95, common words, 150 passages",
        "  its share of the best 10, common words, 150 passages",
        "lexical leg p95, common words, 300 passages",
        "  its share of the best 10, common words, 300 passages",
        "search p50, 150 passages",
        "search p50, 300 passages",
        "search p95, 300 passages against 150",
        *shares_of_the_nearest(150),
        *shares_of_the_nearest(300),
    }


@pytest.mark.slow
def test_scale_is_what_stores_of_any_size_show(tmp_path: Path) -> None:
    _, written = bench(tmp_path / "scale.json", "--scale", "--passages", "100", "1000")

    figures = {figure["name"]: figure for figure in written["figures"]}
    assert figures["lexical leg p95, 1,000 passages against 100"]["target"]["bound"] == 4
    assert shares_of_the_nearest(1000, "1 in 10") <= figures.keys()
    assert figures["  of these the vector index on disk for each of 1,000 passages"]["value"] > 700
    assert figures["  memory of Postgres then, 1,000 passages"]["value"] > 10


@pytest.mark.slow
def test_of_each_revision_it_is_measured_who_waits_for_it(tmp_path: Path) -> None:
    _, written = bench(tmp_path / "migrations.json", "--only", "migrations", "--passages", "200")

    names = [figure["name"] for figure in written["figures"]]
    assert {f"revision {schema.REVISION}, 200 passages", "index of vectors, 200 passages"} <= set(names)
    assert names.count("  longest wait of who reads") == names.count("  longest wait of who writes") > 5


@pytest.mark.slow
def test_an_interrupted_measurement_leaves_no_server_and_no_folder_behind(tmp_path: Path) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "bench", "--quick", "--scale", "--passages", "1000", "--data", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "embedding a sample" in process.stderr.readline()
        (folder,) = temporary.iterdir()
        home = EmbeddedServer(folder).home
        assert home.exists()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert process.returncode == 130
    assert "Traceback" not in said
    assert not home.exists()
    assert not list(temporary.iterdir())


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
