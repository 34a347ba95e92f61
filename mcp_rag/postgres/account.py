"""The operating system user that Postgres runs as, and the folders that it can use."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from typing import Self

from mcp_rag.errors import EmbeddedServerFailed

if sys.platform != "win32":
    import pwd

ANOTHER_SERVER = "Set MCP_RAG_DATABASE_URL to use another Postgres server."
OTHERWISE = "or set MCP_RAG_DATABASE_URL to use another Postgres server."
ANOTHER_FOLDER = f"Set MCP_RAG_DATA_DIR to a folder that it can use, {OTHERWISE}"

# What a store in a folder that is closed to the server's account uses instead.
SHARED = Path("/var/lib/mcp-rag")
# Not tempfile.gettempdir(): two processes with different TMPDIR must find the same server.
TEMPORARY = Path("/tmp")


@dataclass(frozen=True)
class Account:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid: int) -> Self:
        """The account with this user id.

        Raises:
            EmbeddedServerFailed: no account has it, or this system has none that Postgres can use.
        """
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            cause = f"User id {uid} has no account on this machine, and Postgres does not run without one."
            raise EmbeddedServerFailed(cause, remedy=ANOTHER_SERVER) from None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def ours(cls) -> Self:
        """Who this process runs as.

        Raises:
            EmbeddedServerFailed: no account has its user id, or this is Windows.
        """
        if sys.platform == "win32":
            raise EmbeddedServerFailed("The embedded Postgres has no Windows port.", remedy=ANOTHER_SERVER)
        return cls.of(os.geteuid())

    @classmethod
    def for_server(cls) -> Self:
        """Who runs a new server: ourselves, or for root, whom Postgres refuses, `postgres` else `nobody`.

        Raises:
            EmbeddedServerFailed: there is no such account, or this is Windows.
        """
        ours = cls.ours()
        if ours.uid != 0:
            return ours
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return cls.of(pwd.getpwnam(name).pw_uid)
        cause = "Postgres refuses to run as root, and this machine has no user `postgres` or `nobody`."
        raise EmbeddedServerFailed(cause, remedy=ANOTHER_SERVER)

    @property
    def borrowed(self) -> bool:
        """It is not ours: we are root and start programs as this user."""
        return self.uid != os.geteuid()

    def may_enter(self, folder: Path) -> bool:
        """Whether it may pass through all of `folder` that exists already, going by the mode bits."""
        return all(self._may(stat.S_IXOTH, each) for each in (folder, *folder.parents) if each.is_dir())

    def may_run(self, program: Path) -> bool:
        return self.may_enter(program.parent) and self._may(stat.S_IROTH | stat.S_IXOTH, program)

    def _may(self, wanted: int, path: Path) -> bool:
        status = path.stat()
        # The kernel asks only the closest class; the program is started without supplementary groups.
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return (status.st_mode >> shift) & wanted == wanted

    def make_folder(self, folder: Path) -> Path:
        """Make a folder that is the account's own and closed to others."""
        make_folders(folder, 0o700)
        if self.borrowed:
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)
        return folder


def make_folders(folder: Path, mode: int) -> list[Path]:
    """Make `folder` and its missing parents with `mode`, whatever the umask. Returns the ones it made."""
    made = []
    for each in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        with suppress(FileExistsError):
            each.mkdir(mode)
            each.chmod(mode)
            made.append(each)
    return made


def require_ours(folder: Path) -> None:
    """
    Raises:
        EmbeddedServerFailed: it is a link, not a folder, or belongs to another user.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        cause = f"{folder} belongs to user id {status.st_uid}, and this process runs as {os.geteuid()}."
        raise EmbeddedServerFailed(cause, remedy=f"Run as that user, {OTHERWISE}")


@contextmanager
def refusals_translated() -> Iterator[None]:
    """What the operating system refuses is raised as EmbeddedServerFailed."""
    try:
        yield
    except (OSError, SubprocessError) as error:
        raise EmbeddedServerFailed(
            f"The operating system refused: {error}.", remedy=ANOTHER_FOLDER
        ) from error
