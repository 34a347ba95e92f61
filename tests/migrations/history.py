"""The version before this one, as git has it."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mcp_rag.postgres import schema

ROOT = Path(__file__).parents[2]
SCHEMA = "mcp_rag/postgres/schema.py"


class NoHistory(Exception):
    """Why nothing can be known of the version before."""


@dataclass(frozen=True)
class Version:
    root: Path
    """Its files."""
    name: str
    revision: str
    """Of the schema that it needs."""
    goes_on: bool
    """Whether it starts on a later one; the first of them did not."""


def previous(folder: Path, clone: Path = ROOT) -> Version:
    """The newest release before this commit. Before there is one: the last commit that had an earlier schema.

    Raises:
        NoHistory: this is no clone, or one that has no history.
    """
    if not (clone / ".git").exists():
        raise NoHistory("this is no clone")
    name = _release(clone) or _last_of_an_earlier_schema(clone)
    archive = subprocess.run(["git", "archive", name], cwd=clone, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
    text = (folder / SCHEMA).read_text(encoding="utf-8")
    return Version(folder, name, _revision(text), goes_on="class State" in text)


def _release(clone: Path) -> str | None:
    return _git(clone, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")


def _last_of_an_earlier_schema(clone: Path) -> str:
    if _git(clone, "rev-parse", "--is-shallow-repository") == "true":
        raise NoHistory("the clone is shallow: git fetch --unshallow --tags")
    changes = _git(clone, "log", "--format=%H", "-G^REVISION = ", "--", SCHEMA)
    assert changes, "git has no history to tell"
    for commit in ("HEAD", *(f"{change}^" for change in changes.split())):
        text = _git(clone, "show", f"{commit}:{SCHEMA}")
        if text and _revision(text) < schema.REVISION:
            return commit
    raise NoHistory("there was no other schema")


def _revision(text: str) -> str:
    found = re.search(r'^REVISION = "(\w+)"', text, re.MULTILINE)
    assert found, text
    return found[1]


def _git(clone: Path, *arguments: str) -> str | None:
    """None where it has no such thing."""
    done = subprocess.run(["git", *arguments], cwd=clone, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
