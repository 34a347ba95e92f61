"""GitHub without GitHub: a repository, and `act`, which runs its workflows as processes of this machine."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.kubernetes.conftest import Done
from tests.kubernetes.kubectl import folder

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
VERSION = Path("mcp_rag/__init__.py")
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", ".env")
SECONDS = 180

SHELL = """#!/bin/bash
PATH=${{PATH/"{folder}:"/}} /bin/bash "$@" 2>&1 | tee -a "{said}"
exit "${{PIPESTATUS[0]}}"
"""
"""Keeps what a step says: of one that fails, `act` may lose the end. Scripts in it have the usual shell."""


class Pipeline(NamedTuple):
    """A run, and where that is what its steps say."""

    process: subprocess.Popen[str]
    said: Path


class Repository(NamedTuple):
    folder: Path
    revision: str

    @classmethod
    def made_in(cls, home: Path) -> "Repository":
        """As GitHub has it, of what the pipeline reads: one commit on main, and another branch."""
        origin = home / "origin"
        for each in (".github", "deploy"):
            shutil.copytree(ROOT / each, origin / each, ignore=LEFT_OUT)
        (origin / VERSION).parent.mkdir()
        shutil.copy(ROOT / VERSION, origin / VERSION)
        _git(origin, "init", "--quiet", "--initial-branch=main")
        _git(origin, "add", "--all")
        _git(origin, "commit", "--quiet", "--message=All of it")
        _git(origin, "branch", "hotfix")
        clone = home / "clone"
        _git(home, "clone", "--quiet", origin, clone)
        # What GitHub would call it.
        _git(clone, "remote", "set-url", "origin", "https://github.com/Example/mcp-rag.git")
        return cls(clone, _git(clone, "rev-parse", "HEAD"))


def _git(at: Path, *arguments: str | Path) -> str:
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    command = ["git", *author, "-C", at, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Act:
    """Runs the pipeline with what GitHub has for all environments."""

    repository: Repository
    home: Path
    secrets: Mapping[str, str]
    variables: Mapping[str, str]
    settings: Mapping[str, str]
    _started: list[Pipeline] = field(default_factory=list, init=False)

    def start(self, event: str, inputs: list[str], variables: Mapping[str, str]) -> Pipeline:
        options = [
            *(f"--input={each}" for each in inputs),
            *(f"--secret={name}" for name in self.secrets),
            *(f"--env={name}={value}" for name, value in self.settings.items()),
            *(f"--var={name}={value}" for name, value in {**self.variables, **variables}.items()),
        ]
        said = self.home / f"{len(self._started)}.log"
        said.touch()
        here = ("--workflows=.github/workflows/cd.yml", "--platform=ubuntu-24.04=-self-hosted")
        process = subprocess.Popen(
            [PROGRAMS / "act", event, *here, *options],
            cwd=self.repository.folder,
            env=self._environment(said),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(Pipeline(process, said))
        return self._started[-1]

    def stop(self) -> None:
        for process, _ in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def _environment(self, said: Path) -> dict[str, str]:
        shell = said.with_suffix(".shell") / "bash"
        shell.parent.mkdir()
        shell.write_text(SHELL.format(folder=shell.parent, said=said), encoding="utf-8")
        shell.chmod(0o755)
        path = [shell.parent, folder(), PROGRAMS, "/usr/local/bin", "/usr/bin", "/bin"]
        home = {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}
        return {"PATH": os.pathsep.join(map(str, path)), **home, **self.secrets}


def finished(pipeline: Pipeline) -> Done:
    """What its steps said, and that with all that GitHub would show."""
    shown, _ = pipeline.process.communicate(timeout=SECONDS)
    said = pipeline.said.read_text(encoding="utf-8")
    print(shown, "Steps:", said, sep="\n")
    return Done(pipeline.process.returncode, said, shown + said)
