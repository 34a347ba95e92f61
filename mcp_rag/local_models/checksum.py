"""The sha256 of model files."""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

from mcp_rag.errors import ModelCorrupt
from mcp_rag.local_models.origin import Checksums


def verify(folder: Path, checksums: Checksums, *, remedy: str | None = None) -> None:
    """Compare files with their checksums.

    Raises:
        ModelCorrupt: a file is missing or differs; names it, with what was expected and found.
    """
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise ModelCorrupt(f"The model file {path} is missing.", remedy=remedy)
        if (found := sha256(path)) != expected:
            raise ModelCorrupt(
                f"The model file {path} has sha256 {found}, expected {expected}.", remedy=remedy
            )


def fingerprint(weights: Sequence[Path]) -> str:
    """One sha256 for all the weights: of the file itself when it is only one."""
    digests = [sha256(path) for path in weights]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def sha256(path: Path) -> str:
    """Hash a file, once in this process for as long as its size and time stay the same."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
