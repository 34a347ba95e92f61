"""The list of what an image installs, as the pipeline attests it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = re.compile(r"^([\w.-]+)==([^ ;]+).*?((?:\n +--hash=sha256:[0-9a-f]{64}(?: \\)?)+)", re.MULTILINE)
ALIKE = re.compile(r"[-_.]+")

pytestmark = pytest.mark.policies


@pytest.mark.parametrize(
    ("target", "locks"),
    [("", ["run.txt"]), ("operator", ["run.txt", "operator.txt"])],
    ids=["server", "operator"],
)
def test_every_package_that_an_image_installs_is_listed_with_its_hashes(
    target: str, locks: list[str]
) -> None:
    subprocess.run(["make", "sbom", f"TARGET={target}"], cwd=ROOT, check=True, capture_output=True)
    listed = json.loads((ROOT / "dist" / "sbom.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    about = listed["metadata"]["component"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert about["name"] == project["name"]
    assert {package(each) for each in listed["components"]} == {
        each for lock in locks for each in locked(lock)
    }


def package(component: dict[str, Any]) -> tuple[str, str, frozenset[str]]:
    (source,) = component["externalReferences"]
    hashes = frozenset(each["content"] for each in source["hashes"])
    assert {each["alg"] for each in source["hashes"]} == {"SHA-256"}
    return ALIKE.sub("-", component["name"]).lower(), component["version"], hashes


def locked(name: str) -> set[tuple[str, str, frozenset[str]]]:
    text = (ROOT / "deploy" / "locked" / name).read_text()
    found = {
        (ALIKE.sub("-", package).lower(), version, frozenset(re.findall(r"sha256:(\w+)", hashes)))
        for package, version, hashes in LOCKED.findall(text)
    }
    assert len(found) == len(re.findall("^[^ #\n]+==", text, re.MULTILINE)) > 0
    return found
