"""What the image is made of: nothing is chosen while it is built, and it says what the project says."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mcp_rag import __version__
from mcp_rag.settings import Settings
from tests.distribution.test_registry import PROJECT, SERVER

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
LABELS = dict(re.findall(r'(?:LABEL|^ +)\s*([\w.]+)="([^"]*)"', DOCKERFILE, re.MULTILINE))
BUILDS = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]


def locked(name: str) -> dict[str, str]:
    """The version of each package of a list; each has hashes."""
    text = (DEPLOY / "locked" / name).read_text("utf-8")
    found = dict(re.findall(r"^([\w.-]+)==(\S+) \\\n +--hash=sha256:", text, re.MULTILINE))
    assert len(found) == len(re.findall(r"^\w", text, re.MULTILINE))
    return found


LOCKED = locked("run.txt")
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [Requirement(each) for each in (*PROJECT["dependencies"], *EXTRAS["redis"], *EXTRAS["redaction"])]


def test_labels_say_what_the_project_says() -> None:
    oci = "org.opencontainers.image."
    assert LABELS[f"{oci}description"] == PROJECT["description"]
    assert LABELS[f"{oci}licenses"] == PROJECT["license"]
    assert LABELS["io.modelcontextprotocol.server.name"] == SERVER["name"]
    account = SERVER["name"].removeprefix("io.github.")
    assert LABELS[f"{oci}source"] == f"https://github.com/{account}"


def test_the_version_is_told_to_the_build_and_stands_nowhere_in_it() -> None:
    assert LABELS["org.opencontainers.image.version"] == "$VERSION"
    assert __version__ not in DOCKERFILE


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.name)
def test_the_locked_version_is_one_that_the_project_takes(wanted: Requirement) -> None:
    assert LOCKED[canonicalize_name(wanted.name)] in wanted.specifier


def test_what_builds_it_is_locked_too() -> None:
    (builder,) = map(Requirement, BUILDS)
    assert locked("build.txt")[builder.name] in builder.specifier


def test_every_variable_of_ours_that_it_sets_is_a_setting() -> None:
    named = set(re.findall(r"\bMCP_RAG_(\w+)=", DOCKERFILE))
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    assert "HOST" in named


def test_what_makes_backups_has_the_client_that_its_scripts_are_tested_with() -> None:
    groups = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    (wanted,) = (each for each in map(Requirement, groups["kubernetes"]) if each.name == "awscli")
    assert locked("operator.txt")["awscli"] in wanted.specifier
