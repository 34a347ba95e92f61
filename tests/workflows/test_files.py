"""What those say who know GitHub's rules, and what no one but us knows."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
PROGRAMS = Path(sys.executable).parent
FILES = sorted(WORKFLOWS.glob("*.yml"))

pytestmark = pytest.mark.workflows


def read(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "command",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FILES),
        ("actionlint", "-color=false", *FILES),
        ("zizmor", "--offline", "--no-progress", ROOT / ".github"),
    ],
    ids=lambda command: command[0],
)
def test_nothing_is_to_be_said_of_them(command: tuple[str | Path, ...]) -> None:
    program, *arguments = command
    done = subprocess.run(
        [PROGRAMS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_that_a_change_must_pass_is_run() -> None:
    wanted = set(re.findall(r"^ *step make ([a-z-]+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M))
    assert "test" in wanted
    jobs = read("ci.yml")["jobs"]
    told = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    run = set(re.findall(r"\bmake ([a-z-]+)", told))
    assert 'make "$SUITE"' in told
    run |= {each["suite"] for each in jobs["suites"]["strategy"]["matrix"]["include"]}
    assert run == wanted


def test_others_actions_are_named_by_what_they_are() -> None:
    used = [
        line for file in FILES for line in file.read_text(encoding="utf-8").splitlines() if "uses:" in line
    ]
    foreign = [line for line in used if "uses: ./" not in line]
    assert len(foreign) >= 4
    for line in foreign:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_job_may_do_more_than_it_does(file: Path) -> None:
    workflow = read(file.name)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}).get("contents", "read") == "read"
        writes = {key for key, value in job.get("permissions", {}).items() if value == "write"}
        assert writes == (
            {"packages", "id-token"} if name in ("image", "operator") and file.name != "ci.yml" else set()
        )


# Nobody approves anything here. What can be read is that it is asked for, once, before anything is changed.


def test_one_job_changes_an_environment_and_waits_for_its_approval() -> None:
    jobs = read("cd.yml")["jobs"]
    changing = ("run-migrations.sh", "deploy.sh", "cutover.sh", "rollback.sh")
    found = {
        name
        for name, job in jobs.items()
        for step in job.get("steps", ())
        if any(script in step.get("run", "") for script in changing)
    }
    assert found == {"deploy"}
    assert jobs["deploy"]["environment"] == "${{ needs.resolve.outputs.environment }}"
    assert set(jobs["deploy"]["needs"]) == {"resolve", "test", "staging", "image", "operator"}
    assert jobs["staging"]["environment"] == "staging"


def test_the_secrets_of_an_environment_are_read_by_jobs_that_name_it() -> None:
    for name, job in read("cd.yml")["jobs"].items():
        assert "secrets." not in str(job) or "environment" in job, name


def test_operators_find_it_as_the_runbook_calls_it() -> None:
    workflow = read("cd.yml")
    assert workflow["name"] == "CD Pipeline - Deploy"
    # YAML takes `on` for a truth.
    inputs = workflow[True]["workflow_dispatch"]["inputs"]
    assert inputs["branch"]["default"] == "main"
    assert inputs["environment"]["options"] == ["development", "staging", "production"]
    assert inputs["skip_tests"]["type"] == "boolean"
    assert workflow[True]["push"] == {"branches": ["main"]}


def test_what_is_set_up_in_github_is_written_down() -> None:
    text = (ROOT / "docs" / "pipeline.md").read_text(encoding="utf-8")
    used = {
        each
        for file in FILES
        for each in re.findall(r"(?:secrets|vars)\.(\w+)", file.read_text(encoding="utf-8"))
    }
    assert used
    assert {each for each in used if f"`{each}`" not in text} == set()
