"""Rules of others, for images and for manifests: what is not followed has its reason in a file."""

import re
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.manifests import ENVIRONMENTS, environment, pod

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".venv-policies" / "bin"
DOCKERFILE = "deploy/Dockerfile"

pytestmark = pytest.mark.policies


def judged(program: str, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [PROGRAMS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def checkov(framework: str, file: str | Path) -> tuple[int, str]:
    return judged(
        "checkov", "--config-file=deploy/checkov.yaml", f"--framework={framework}", f"--file={file}"
    )


def assert_well(code: int, said: str) -> None:
    """And that it has read something."""
    assert code == 0, said
    assert re.search(r"Passed checks: [1-9]\d+, Failed checks: 0", said)


def deployed(name: str) -> list[dict[str, Any]]:
    """All objects of an environment, as the scripts bring them there."""
    objects = [deepcopy(dict(each)) for each in environment(name)]
    for each in objects:
        if each["kind"] != "Namespace":
            each["metadata"].setdefault("namespace", name)
        if each["kind"] == "Job":
            pod(each)["spec"]["containers"][0]["image"] = "registry.example.com/mcp-rag:0.1.0"
    return objects


def written(objects: list[dict[str, Any]], folder: Path) -> Path:
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return file


def test_hadolint_has_nothing_to_say() -> None:
    assert judged("hadolint", "--config=deploy/hadolint.yaml", DOCKERFILE) == (0, "")


def test_hadolint_would_say_something(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text((ROOT / DOCKERFILE).read_text(encoding="utf-8") + "\nUSER root\n")
    code, said = judged("hadolint", "--config=deploy/hadolint.yaml", worse)
    assert code == 1
    assert "Last USER should not be root" in said


def test_checkov_has_nothing_to_say_of_the_image() -> None:
    assert_well(*checkov("dockerfile", DOCKERFILE))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_checkov_has_nothing_to_say_of_an_environment(name: str, tmp_path: Path) -> None:
    assert_well(*checkov("kubernetes", written(deployed(name), tmp_path)))


def test_checkov_would_say_something(tmp_path: Path) -> None:
    worse = deployed("staging")
    for each in worse:
        if each["kind"] == "Deployment":
            pod(each)["spec"]["containers"][0]["securityContext"]["privileged"] = True
    code, said = checkov("kubernetes", written(worse, tmp_path))
    assert code == 1
    assert "CKV_K8S_16" in said
