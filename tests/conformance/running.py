"""Programs from npm, and how they reach the product."""

import os
import subprocess
from pathlib import Path

NODE = Path(__file__).parent / "node"
PATIENCE = 120
"""Seconds that a program may take."""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a program that package.json names did, under the node that package.json names."""
    path = f"{NODE / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=NODE,
        env={**os.environ, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
