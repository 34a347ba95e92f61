"""Where the pipes of a user and their resident server meet: a folder of one's own, a socket, a lock, a log.

One rule carries everything: whoever serves the socket holds the lock, from before the process exists (the
starter takes the lock and hands it down) until the kernel takes it back. So a free lock means that nobody
serves, nobody is starting and nobody is leaving; and two residents can never serve one socket.

Standard library only: the pipe imports this.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mcp_rag import __version__

# Unix socket paths end at 104 bytes on macOS and 108 on Linux.
_LONGEST_PATH = 100
_LONGEST_LOG = 1024 * 1024
_CONNECT_SECONDS = 60.0
MOST_LOSSES = 3
"""So many residents may die in a row without an answer."""
_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Unreachable(Exception):
    """No resident can be had. The message says why and what to do."""


class UnsafeFolder(Exception):
    """The folder for sockets cannot be used safely; the message says why and what to do."""


class Place(NamedTuple):
    """One meeting place. Clients with other settings have another one."""

    stem: str
    """Path of the files, less their suffixes."""

    @property
    def socket(self) -> str:
        return self.stem + ".sock"

    @property
    def lock(self) -> str:
        """Held by the resident while it lives; contains its process id."""
        return self.stem + ".lock"

    @property
    def log(self) -> str:
        return self.stem + ".log"


def meeting_place(environment: Mapping[str, str] = os.environ) -> Place:
    """The meeting place of this version, installation, user and settings. Creates its folder.

    Raises:
        UnsafeFolder: the folder belongs to somebody else, is open to others, or cannot be made.
    """
    key = _key(environment)
    folder = _folder(environment, len(key) + len("/.sock"))
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    except OSError as error:
        raise UnsafeFolder(f"The folder {folder} cannot be made: {error.strerror}. {_REMEDY}") from error
    _verify(folder)
    return Place(os.path.join(folder, key))


_REMEDY = "Set XDG_RUNTIME_DIR to a folder that only you can use."


def _key(environment: Mapping[str, str]) -> str:
    """A digest, so that file names tell nothing of the settings (some are passwords)."""
    # Set to nothing is not set, as the settings have it.
    settings = sorted(item for item in environment.items() if item[0].startswith("MCP_RAG_") and item[1])
    homes = [environment.get("HOME"), environment.get("XDG_DATA_HOME")]
    identity = repr((__version__, sys.prefix, os.getuid(), homes, settings))
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _folder(environment: Mapping[str, str], room: int) -> str:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    own = os.path.join(runtime, "mcp-rag")
    if _is_usable(runtime) and len(os.fsencode(own)) + room <= _LONGEST_PATH:
        return own
    temporary = environment.get("TMPDIR", "")
    shared = os.path.join(temporary if os.path.isabs(temporary) else "/tmp", f"mcp-rag-{os.getuid()}")
    if len(os.fsencode(shared)) + room > _LONGEST_PATH:
        raise UnsafeFolder(f"The path of {shared} is too long for a socket. Set TMPDIR to a shorter one.")
    return shared


def _is_usable(runtime: str) -> bool:
    if not os.path.isabs(runtime):
        return False
    try:
        return os.stat(runtime).st_uid == os.getuid() and os.access(runtime, os.W_OK | os.X_OK)
    except OSError:
        return False


def _verify(folder: str) -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeFolder(f"{folder} is not a folder. Remove it. {_REMEDY}")
    if found.st_uid != os.getuid():
        raise UnsafeFolder(f"{folder} belongs to user {found.st_uid}. {_REMEDY}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UnsafeFolder(f"{folder} is open to other users. Run `chmod 700 {folder}`. {_REMEDY}")


def connect(place: Place) -> socket.socket | None:
    """A non-blocking connection to the resident, or None when nobody answers."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.setblocking(False)
    try:
        link.connect(place.socket)
    except OSError:
        link.close()
        return None
    return link


def claim(place: Place) -> int | None:
    """The lock as a file descriptor, or None when somebody holds it. Closing the descriptor frees it."""
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    os.truncate(lock, 0)
    return lock


def listen(place: Place) -> socket.socket:
    """The resident's socket, instead of one that a dead resident left. Only for the holder of the lock."""
    withdraw(place)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(place.socket)
    os.chmod(place.socket, 0o600)
    listener.listen(128)
    return listener


def withdraw(place: Place) -> None:
    """Take the socket away, so that nobody new connects. Only for the holder of the lock."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.socket)


def start(place: Place, lock: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a resident that inherits the lock, in a session of its own, its stderr at the end of the log."""
    # From a source tree, `-m` finds the package through the working directory only.
    root = _PACKAGE_ROOT if sys.path[:1] == [_PACKAGE_ROOT] else "/"
    with open(place.log, "ab", opener=_private) as log:
        if log.tell() > _LONGEST_LOG:
            log.truncate(0)
        return subprocess.Popen(
            [*command, "--place", place.stem, "--lock-fd", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=root,
            pass_fds=[lock],
            start_new_session=True,
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def last_words(place: Place, most: int = 5) -> str:
    """The last lines of the resident's log."""
    try:
        with open(place.log, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
            return "\n".join(log.read().decode(errors="replace").rstrip().splitlines()[-most:])
    except FileNotFoundError:
        return ""


def is_held(place: Place) -> bool:
    """Whether a resident serves, starts or leaves at this moment."""
    try:
        lock = os.open(place.lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def resident_pid(place: Place) -> int | None:
    """The process id of the living resident; None also while it is too young to have said."""
    if not is_held(place):
        return None
    with open(place.lock, encoding="ascii") as lock:
        pid = lock.read().strip()
    return int(pid) if pid else None


def stop(place: Place, timeout: float) -> bool:
    """Ask the resident to leave and wait until it has. False when it is there after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    asked: int | None = None
    while is_held(place):
        if time.monotonic() > deadline:
            return False
        pid = resident_pid(place)
        if pid is not None and pid != asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            asked = pid
        time.sleep(0.02)
    return True


class Way:
    """The way to the resident."""

    def __init__(self, place: Place, command: Sequence[str]) -> None:
        self._place = place
        self._command = command
        self._since: float | None = None
        self._started: list[subprocess.Popen[bytes]] = []

    def attempt(self) -> socket.socket | None:
        """A connection; or None, having started a resident if none lives: try again soon.

        Raises:
            Unreachable: it has been tried for long enough, or the resident refuses to start.
        """
        link = connect(self._place)
        if link is not None:
            self._since, self._started = None, []
            return link
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > _CONNECT_SECONDS:
            raise self.unreachable(f"did not answer within {_CONNECT_SECONDS:.0f} seconds")
        if self._started and (self._started[-1].poll() or 0) > 0:
            raise self.unreachable("did not start")
        self._start_if_none_lives()
        return None

    def _start_if_none_lives(self) -> None:
        lock = claim(self._place)
        if lock is None:
            return
        try:
            if len(self._started) == MOST_LOSSES:
                raise self.unreachable("was killed each time it started")
            self._started.append(start(self._place, lock, self._command))
        except OSError as error:
            raise self.unreachable(f"cannot be started ({error})") from error
        finally:
            os.close(lock)

    def unreachable(self, what: str) -> Unreachable:
        words = last_words(self._place)
        log = f" Its last words:\n{words}" if words else ""
        return Unreachable(
            f"The resident mcp-rag server {what}. Run `mcp-rag doctor`, or read {self._place.log}.{log}"
        )
