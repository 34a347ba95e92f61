"""What all scripts have in common, and the smoke tests, whom the others call."""

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.conftest import SCRIPTS, Colours, Run
from tests.kubernetes.s3 import PROGRAMS

# In one process: they share two servers, which take long to start.
pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("colours")]

CALLED = (
    "backup.sh",
    "cutover.sh",
    "deploy.sh",
    "migrations/run-migrations.sh",
    "restore.sh",
    "rollback.sh",
    "smoke-tests.sh",
    "watch.sh",
)


def files() -> list[Path]:
    return sorted(SCRIPTS.rglob("*.sh"))


def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(
        [PROGRAMS / "shellcheck", "--external-sources", *files()], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_they_are_strict_and_can_be_called() -> None:
    called = {str(each.relative_to(SCRIPTS)) for each in files() if each.stat().st_mode & 0o111}
    assert called == set(CALLED)
    for each in called:
        text = (SCRIPTS / each).read_text(encoding="utf-8")
        assert text.startswith("#!/usr/bin/env bash\n# ")
        assert 'lib.sh"\n' in text
    assert "set -Eeuo pipefail" in (SCRIPTS / "lib.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", CALLED)
def test_each_says_how_it_is_called(run: Run, cluster: Cluster, script: str) -> None:
    done = run(script, "--help")
    assert done.code == 0
    assert Path(script).name in done.out
    assert "--dry-run" in done.out
    assert "Exit codes: 0 " in done.out
    wrong = run(script, "--nonsense")
    assert (wrong.code, wrong.out, cluster.changes) == (2, "", [])
    assert "what is --nonsense?" in wrong.said


def conversations(colours: Colours) -> list[str]:
    headers = {"Authorization": f"Bearer {colours.token}"}
    url = f"http://127.0.0.1:{colours.ports['blue']}/conversations"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return [each["conversation_id"] for each in json.load(answer)["conversations"]]


def test_the_smoke_tests_use_all_and_leave_nothing(serving: Run, colours: Colours) -> None:
    done = serving("smoke-tests.sh", "production")
    assert done.code == 0
    assert done.said.count(" ok      ") == 7
    assert colours.token not in done.said
    assert conversations(colours) == []


def test_to_tell_of_the_smoke_tests_calls_nobody(serving: Run) -> None:
    assert serving("smoke-tests.sh", "production", "--url", "http://127.0.0.1:9", "--dry-run").code == 0


def test_the_smoke_tests_say_what_is_not_well(serving: Run, colours: Colours) -> None:
    done = serving("smoke-tests.sh", "production", API_TOKEN="mcprag_wrong")
    assert done.code == 1
    assert "5 of 7 checks" in done.said
    assert "NOT OK  ask" in done.said
    assert conversations(colours) == []


def test_another_revision_than_was_expected_is_not_well(serving: Run) -> None:
    assert serving("smoke-tests.sh", "production", "--revision", "blue").code == 0
    done = serving("smoke-tests.sh", "production", "--revision", "green")
    assert done.code == 1
    assert "NOT OK  version" in done.said
    assert "1 of 7 checks" in done.said


def test_nobody_who_answers_is_not_well(run: Run) -> None:
    done = run("smoke-tests.sh", "staging", "--url", "http://127.0.0.1:9")
    assert done.code == 1
    assert "7 of 7 checks" in done.said
