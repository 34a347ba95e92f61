"""Builds an image: `python -m deploy.image docker --tag mcp-rag:dev`. Other options are the engine's."""

import argparse
import subprocess
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
    asked = argparse.ArgumentParser(prog="python -m deploy.image", allow_abbrev=False)
    asked.add_argument("engine", help="docker, buildah or podman")
    asked.add_argument("--target", choices=("product", "operator"), default="product")
    chosen, others = asked.parse_known_args()
    told = {"VERSION": __version__, "REVISION": revision()}
    arguments = [
        f"--target={chosen.target}",
        *(f"--build-arg={name}={value}" for name, value in told.items()),
    ]
    command = [chosen.engine, "build", "--file=deploy/Dockerfile", *arguments, *others, "."]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
