"""Which version is tried beside this one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mcp_rag.postgres import schema
from tests.migrations.history import SCHEMA, NoHistory, previous

STATE = "class State: ...\n"


class Repository:
    """Of a product that has nothing but the revision that it needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / SCHEMA).parent.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, revision: str, more: str = STATE) -> str:
        """Its name."""
        (self.root / SCHEMA).write_text(f'REVISION = "{revision}"\n{more}', encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "…")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "earlier"
    made.mkdir()
    return made


def test_before_the_first_release_it_is_the_last_commit_that_had_an_earlier_schema(
    repository: Repository, folder: Path
) -> None:
    repository.commit("0001", "")
    last = repository.commit("0001", STATE)
    repository.commit(schema.REVISION)
    repository.commit(schema.REVISION, STATE + STATE)
    found = previous(folder, repository.root)
    assert repository.git("rev-parse", found.name) == last
    assert (found.revision, found.goes_on) == ("0001", True)
    assert (found.root / SCHEMA).read_text(encoding="utf-8") == f'REVISION = "0001"\n{STATE}'


def test_it_is_this_commit_where_the_new_revision_is_not_committed_yet(
    repository: Repository, folder: Path
) -> None:
    repository.commit("0001", "")
    found = previous(folder, repository.root)
    assert (found.name, found.revision, found.goes_on) == ("HEAD", "0001", False)


def test_it_is_the_newest_release_and_of_a_release_the_one_before(
    repository: Repository, folder: Path
) -> None:
    for version, revision in (("v0.1.0", "0001"), ("v0.2.0", "0002"), ("v0.3.0", schema.REVISION)):
        repository.commit(revision)
        repository.git("tag", version)
    assert previous(folder, repository.root).name == "v0.2.0"
    repository.commit(schema.REVISION, "")
    assert previous(folder, repository.root).name == "v0.3.0"


def test_where_there_is_no_history_it_is_said_why(
    repository: Repository, folder: Path, tmp_path: Path
) -> None:
    repository.commit("0001")
    repository.commit(schema.REVISION)
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth", "1", repository.root.as_uri(), str(shallow))
    with pytest.raises(NoHistory, match="the clone is shallow"):
        previous(folder, shallow)
    shutil.rmtree(shallow / ".git")
    with pytest.raises(NoHistory, match="this is no clone"):
        previous(folder, shallow)
