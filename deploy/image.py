"""Builds the image: `python -m deploy.image docker --tag mcp-rag:dev`. What follows is the engine's."""

import subprocess
import sys
from pathlib import Path

from mcp_rag import __version__

ROOT = Path(__file__).parents[1]


def revision() -> str:
    """The commit that is built, and whether the files are others than it has."""
    told = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout.strip()


def main() -> None:
    engine, *others = sys.argv[1:]
    told = {"VERSION": __version__, "REVISION": revision()}
    arguments = [f"--build-arg={name}={value}" for name, value in told.items()]
    subprocess.run(
        [engine, "build", "--file=deploy/Dockerfile", *arguments, *others, "."], cwd=ROOT, check=True
    )


if __name__ == "__main__":
    main()
