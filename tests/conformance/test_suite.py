"""The official conformance suite: the product with the suite's fixtures on it, and the product alone."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

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
SCHEMA = "json-schema-2020-12:json-schema-2020-12-tool-found"
"""Of a tool by the name of json_schema_2020_12_tool, which only the fixtures have."""
UNSCORED = {
    "2025-06-18": set[str](),
    "2025-11-25": {
        SCHEMA,
        # The tool test_reconnection, which only the fixtures have.
        "server-sse-polling:incoming-sse-event",
        # The product keeps no events: a stream that broke off cannot be taken up again.
        "server-sse-polling:server-sse-priming-event",
        "server-sse-polling:server-sse-retry-field",
    },
    "2026-07-28": {
        SCHEMA,
        # No tool of the product wants an argument in a header too, and one that does is what these look for.
        "http-custom-header-server-validation:sep-2243-server-decode-base64",
        "http-custom-header-server-validation:sep-2243-server-no-xmcp-tool",
        "http-custom-header-server-validation:sep-2243-server-reject-invalid-param-chars",
        "http-custom-header-server-validation:sep-2243-server-reject-param-mismatch",
        "http-custom-header-server-validation:sep-2243-server-validate-param-match",
        # Left out by the suite, as the product says that neither its tools nor its prompts change.
        "server-stateless:sep-2575-server-sends-prompts-list-changed-on-subscription",
        "server-stateless:sep-2575-server-sends-tools-list-changed-on-subscription",
    },
}
"""Checks that the suite does not score, or leaves out: no list for it has them."""

each_revision = pytest.mark.parametrize("revision", REVISIONS)


@pytest.fixture(scope="module")
def with_fixtures(shared: str) -> Iterator[Serving]:
    with Serving(command=WITH_FIXTURES, MCP_RAG_DATABASE_URL=shared) as server:
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


def tasks(revision: str) -> set[str]:
    """The scenarios of the extension that are run for a revision."""
    return TASKS if revision == "2026-07-28" else set()


@each_revision
def test_with_what_the_suite_expects_by_name_everything_is_as_a_revision_has_it(
    with_fixtures: Serving, tmp_path: Path, revision: str
) -> None:
    suite(with_fixtures, tmp_path, revision)
    found = trouble(tmp_path)
    assert len(found) == SCENARIOS[revision]
    assert {name for name in found if found[name]} == tasks(revision)


@each_revision
def test_alone_the_product_passes_all_checks_but_exactly_those_that_are_listed(
    serving: Serving, tmp_path: Path, revision: str
) -> None:
    scored = ALONE / f"{revision}.yml"
    suite(serving, tmp_path, revision, "--expected-failures", str(scored))
    found = trouble(tmp_path)
    assert len(found) == SCENARIOS[revision]
    listed = UNSCORED[revision] | set(yaml.safe_load(scored.read_text())["server"])
    assert {f"{name}:{check}" for name in found.keys() - TASKS for check in found[name]} == listed
    assert {name for name in found.keys() & TASKS if found[name]} == tasks(revision)
