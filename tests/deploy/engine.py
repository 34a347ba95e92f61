"""Images and containers on a machine that reaches no registry of images, and runs no daemon.

The base is made of Debian's own packages, of the release that the official image of Python is made of. It
stands for that image, and is another: where a registry is reached, `make test-image BASE=...` builds on it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STAND_IN = "localhost/mcp-rag-test-base:bookworm"
IMAGES = {"product": "localhost/mcp-rag-test:latest", "operator": "localhost/mcp-rag-operator-test:latest"}
"""By their target."""
WHEELS = ROOT / "build/wheels"
LOCKED = ROOT / "deploy/locked"
PATIENCE = 180

# Docker's image has no documentation either.
DEBIAN = (
    "--quiet",
    "--variant=minbase",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    "--include=usr-is-merged,ca-certificates,netbase,tzdata,python3,python3-venv",
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")),
    "bookworm",
)
PODMAN = ("podman", "--cgroup-manager=cgroupfs", "--runtime=runc")
# More than these cannot be had where this runs in a machine with limits of its own.
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
CONFINED = (
    *LIMITS,
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:rw,nosuid,nodev,size=256m",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
"""As the manifests have it: nothing but /tmp can be written, and nothing can be gained."""


def said(*command: str | Path, stdin: str = "") -> str:
    """What a command printed, which must end well."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def base() -> str:
    """The image to build on; it is kept for the next run."""
    if chosen := os.environ.get("BASE"):
        return chosen
    if subprocess.run([*PODMAN, "image", "exists", STAND_IN]).returncode:
        file = ROOT / "build/base.tar"
        file.parent.mkdir(exist_ok=True)
        said("mmdebstrap", *DEBIAN, file)
        said(*PODMAN, "import", "--quiet", file, STAND_IN)
        file.unlink()
    return STAND_IN


def fetch_wheels() -> None:
    """All that the build may install, by its hash; what is here already is not fetched again."""
    for name in ("build.txt", "run.txt", "operator.txt"):
        said(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--only-binary=:all:", "--dest", WHEELS, "--requirement", LOCKED / name),
        )


def build(target: str) -> str:
    """An image, built by the command behind `make image`, without a network."""
    with ThreadPoolExecutor() as pool:
        fetched = pool.submit(fetch_wheels)
        on = base()
        fetched.result()
    said(
        *(sys.executable, "-m", "deploy.image", "buildah", "--target", target, "--tag", IMAGES[target]),
        *("--pull-never", "--layers"),
        *("--isolation=oci", "--runtime=runc", "--network=none", f"--build-arg=BASE={on}"),
        *(
            "--build-arg=PIP_NO_INDEX=1",
            "--build-arg=PIP_FIND_LINKS=/wheels",
            f"--volume={WHEELS}:/wheels:ro",
        ),
    )
    return IMAGES[target]


def described(kind: str, name: str) -> dict[str, Any]:
    """What the engine knows of an image or a container."""
    (found,) = json.loads(said(*PODMAN, kind, "inspect", name))
    return dict(found)


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Container:
    """One that was started, and lives until it is stopped."""

    name: str

    def run(self, *command: str, stdin: str = "") -> str:
        """What a command in it printed, which must end well."""
        return said(*PODMAN, "exec", "--interactive", self.name, *command, stdin=stdin)

    def logs(self) -> list[str]:
        return said("sh", "-c", f"{' '.join(PODMAN)} logs {self.name} 2>&1").splitlines()

    def stop(self) -> int:
        """Its exit code, once it was told to stop by the signal of its image."""
        said(*PODMAN, "stop", "--time=60", self.name)
        return int(described("container", self.name)["State"]["ExitCode"])

    def remove(self) -> None:
        said(*PODMAN, "rm", "--force", "--volumes", self.name)


def once(image: str, *arguments: str, options: Sequence[str] = ()) -> Finished:
    """A container that does one thing, to its end."""
    done = subprocess.run(
        [*PODMAN, "run", "--rm", *CONFINED, *options, image, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def started(image: str, *arguments: str, options: Sequence[str] = ()) -> Container:
    return Container(said(*PODMAN, "run", "--detach", *CONFINED, *options, image, *arguments).strip())
