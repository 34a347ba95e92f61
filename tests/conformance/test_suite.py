"""The official conformance suite: the product with the suite's fixtures on it, and the product alone."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.running import run
from tests.serve_process import Serving

pytestmark = pytest.mark.conformance

ALONE = Path(__file__).parent / "without_fixtures"
WITH_FIXTURES = (sys.executable, "-m", "tests.conformance.served")
REVISIONS = {
    # It has no frozen list of requirements: all scenarios that there are for it.
    "2025-06-18": ("--suite", "all", "--spec-version", "2025-06-18"),
    "2025-11-25": ("--requirements", "2025-11-25"),
    "2026-07-28": ("--requirements", "2026-07-28"),
}
SCENARIOS = {"2025-06-18": 27, "2025-11-25": 33, "2026-07-28": 50}
TASKS = {
    f"tasks-{name}"
    for name in (
        "capability-negotiation",
        "dispatch-and-envelope",
        "lifecycle",
        "mrtr-composition",
        "mrtr-input",
        "request-headers",
        "request-state-removal",
        "required-task-error",
        "status-notifications",
        "wire-fields",
    )
}
"""Scenarios of an extension that the SDK does not have; run with 2026-07-28, and never scored."""

each_revision = pytest.mark.parametrize("revision", REVISIONS)


@pytest.fixture(scope="module")
def with_fixtures(shared: str) -> Iterator[Serving]:
    with Serving(command=WITH_FIXTURES, MCP_RAG_DATABASE_URL=shared) as server:
        yield server


@pytest.fixture(scope="module")
def alone(shared: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=shared) as server:
        yield server


def suite(server: Serving, out: Path, revision: str, *options: str) -> None:
    """Let it find nothing that it would refuse a server for; what it saw lies in a folder."""
    # By this name, because a scenario wants a name to hold against those of strangers.
    url = f"http://localhost:{server.port}/mcp"
    done = run("conformance", "server", "--url", url, "-o", str(out), *REVISIONS[revision], *options)
    assert done.returncode == 0, done.stdout + done.stderr


def trouble(out: Path) -> dict[str, set[str]]:
    """Of each scenario that was run, the checks that failed, warn or could not be made."""
    found: dict[str, set[str]] = {}
    for file in out.glob("*/checks.json"):
        scenario = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT.+Z", file.parent.name)
        assert scenario
        checks = json.loads(file.read_text())
        found[scenario[1]] = {each["id"] for each in checks if each["status"] not in ("SUCCESS", "INFO")}
    return found


@each_revision
def test_with_what_the_suite_expects_by_name_everything_is_as_a_revision_has_it(
    with_fixtures: Serving, tmp_path: Path, revision: str
) -> None:
    suite(with_fixtures, tmp_path, revision)
    found = trouble(tmp_path)
    assert len(found) == SCENARIOS[revision]
    assert {name for name in found if found[name]} == (TASKS if revision == "2026-07-28" else set())


@each_revision
def test_alone_the_product_lacks_nothing_but_what_is_listed(
    alone: Serving, tmp_path: Path, revision: str
) -> None:
    """What is listed and does not fail, fails: the lists stay as short as they can be."""
    suite(alone, tmp_path, revision, "--expected-failures", str(ALONE / f"{revision}.yml"))
    assert len(trouble(tmp_path)) == SCENARIOS[revision]
