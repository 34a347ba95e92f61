"""`mcp-rag stdio`: a thin pipe between one client's stdin and stdout and the user's resident server.

It starts the resident when none lives. When the resident dies, it finds or starts another one, says again
what is still unanswered, and the client sees nothing but a slower answer. Standard library only.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType

from mcp_rag import rendezvous
from mcp_rag.lines import (
    ENDLESS,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    Lines,
    Oversized,
    ends,
    error_line,
    request_id,
)
from mcp_rag.rendezvous import MOST_LOSSES, Unreachable, UnsafeFolder, Way
from mcp_rag.session import Session

HELP = """\
Usage: mcp-rag stdio [--read-only] [--tools NAMES] [--health-port PORT] [--stop-resident-on-exit]

Speaks MCP over stdin and stdout. This is the command to give to an MCP client, such as a desktop
assistant or an editor; at a terminal it only waits for JSON-RPC messages, one per line.

All clients of one user share one resident server, which is started when none runs and leaves a while
after its last client (MCP_RAG_RESIDENT_LINGER, in seconds). Clients with other MCP_RAG_* variables
have another one. Its socket, lock and log lie in $XDG_RUNTIME_DIR/mcp-rag, or else in
$TMPDIR/mcp-rag-<user id>.

Options:
  --read-only              Let nothing be stored or erased. It is the same as MCP_RAG_READ_ONLY=1.
  --tools NAMES            Offer only these tools, between commas. It is the same as MCP_RAG_TOOLS.
  --stop-resident-on-exit  Stop the resident when this client leaves. Always so where this is process 1,
                           that is, in a container.
  --health-port PORT       Have the resident answer probes on this port, as `mcp-rag serve` does. It is the
                           same as MCP_RAG_HEALTH_PORT. Without either, and with 0, there are none.
  --help                   Show this text.
"""

RESIDENT = (sys.executable, "-m", "mcp_rag", "resident")

# As much as MCP_RAG_MAX_MESSAGE_MB allows at most; the resident knows what it really is.
_LONGEST_LINE = 1024 * 1024 * 1024
_CHUNK = 256 * 1024
_FULL = 1024 * 1024
_STDIN, _STDOUT = 0, 1
_NEEDED = {"--health-port": "MCP_RAG_HEALTH_PORT", "--tools": "MCP_RAG_TOOLS"}
"""Options that need a value, and the settings that they are."""
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL

_RETRY_SECONDS = 0.02
_LAST_ANSWERS_SECONDS = 60.0
_FAREWELL_SECONDS = 5.0
_STOP_SECONDS = 10.0
_HIGHEST_PORT = 65535


class Outbox:
    """Bytes on their way out, in order."""

    def __init__(self) -> None:
        self._parts: deque[memoryview] = deque()
        self.size = 0

    def put(self, *lines: bytes) -> None:
        for line in lines:
            self._parts.append(memoryview(line))
            self.size += len(line)

    def clear(self) -> None:
        self._parts.clear()
        self.size = 0

    def send(self, write: Callable[[memoryview], int], most: int) -> None:
        """One write of at most `most` bytes."""
        part = self._parts[0]
        sent = write(part[:most])
        self.size -= sent
        if sent < len(part):
            self._parts[0] = part[sent:]
        else:
            self._parts.popleft()


class Pipe:
    """Whole lines, both ways."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._link: socket.socket | None = None
        self._session = Session()
        self._to_resident, self._to_client = Outbox(), Outbox()
        self._from_client, self._from_resident = Lines(_LONGEST_LINE), Lines(_LONGEST_LINE)
        self._left_at: float | None = None

    def run(self) -> None:
        """Returns when the client has left.

        Raises:
            BrokenPipeError: nobody reads stdout any more.
            Unreachable: no resident can be had; the client was told so in answer to its requests.
        """
        try:
            while not self._is_done():
                if self._link is None and self._to_resident.size:
                    self._link = self._way.attempt()
                self._pass_on(self._ready())
        except Unreachable as reason:
            for name in self._session.unanswered:
                self._to_client.put(error_line(name, INTERNAL_ERROR, str(reason)))
            self._flush()
            raise
        finally:
            if self._link is not None:
                self._link.close()

    def _is_done(self) -> bool:
        if self._left_at is None:
            return False
        waiting = any(request.method not in ENDLESS for request in self._session.unanswered.values())
        busy = waiting or self._to_client.size or self._to_resident.size
        return not busy or time.monotonic() - self._left_at > _LAST_ANSWERS_SECONDS

    def _ready(self) -> dict[int, int]:
        poll = select.poll()
        if self._left_at is None and self._to_resident.size < _FULL:
            poll.register(_STDIN, select.POLLIN)
        poll.register(_STDOUT, select.POLLOUT if self._to_client.size else 0)
        if self._link is not None:
            hear = select.POLLIN if self._to_client.size < _FULL else 0
            poll.register(self._link, hear | (select.POLLOUT if self._to_resident.size else 0))
        connecting = self._link is None and self._to_resident.size
        seconds = _RETRY_SECONDS if connecting else 1.0 if self._left_at is not None else None
        return dict(poll.poll(None if seconds is None else seconds * 1000))

    def _pass_on(self, ready: dict[int, int]) -> None:
        if ready.get(_STDIN):
            self._hear_client()
        if self._link is not None and (events := ready.get(self._link.fileno())):
            if events & select.POLLOUT and self._to_resident.size:
                self._say_to_resident(self._link)
            if events & ~select.POLLOUT:
                self._hear_resident(self._link)
        self._say_to_client(ready.get(_STDOUT, 0))

    def _say_to_client(self, events: int) -> None:
        if events & _GONE:
            raise BrokenPipeError
        if events & select.POLLOUT:
            # So much never blocks once poll has said yes; stdin and stdout stay as the client made them.
            self._to_client.send(lambda part: os.write(_STDOUT, part), select.PIPE_BUF)

    def _hear_client(self) -> None:
        try:
            chunk = os.read(_STDIN, _CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            self._left_at = time.monotonic()
        # The last line may lack its newline.
        for line in self._from_client.feed(chunk or b"\n"):
            if isinstance(line, Oversized):
                name = request_id(ends(*line))
                self._to_client.put(error_line(name, INVALID_REQUEST, "The message is too long."))
            else:
                self._say(line + b"\n")

    def _say(self, line: bytes) -> None:
        if self._link is None and not self._to_resident.size:
            self._to_resident.put(*self._session.again())
        if self._session.say(line):
            self._to_resident.put(line)

    def _say_to_resident(self, link: socket.socket) -> None:
        # Where it is lost, reading tells so, after its last answers.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._to_resident.send(link.send, _FULL)

    def _hear_resident(self, link: socket.socket) -> None:
        try:
            chunk = link.recv(_CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:
            chunk = b""
        for line in self._from_resident.feed(chunk):
            if isinstance(line, Oversized):
                line = error_line(request_id(ends(*line)), INTERNAL_ERROR, "The answer is too long.").rstrip()
            if self._session.hear(line):
                self._to_client.put(line + b"\n")
        if not chunk:
            self._lose(link)

    def _lose(self, link: socket.socket) -> None:
        link.close()
        self._link = None
        self._from_resident = Lines(_LONGEST_LINE)
        self._to_resident.clear()
        self._to_client.put(*self._session.lose())
        if self._session.unanswered:
            if self._session.losses == MOST_LOSSES:
                raise self._way.unreachable(f"died {MOST_LOSSES} times over the same requests")
            self._to_resident.put(*self._session.again())

    def _flush(self) -> None:
        poll = select.poll()
        poll.register(_STDOUT, select.POLLOUT)
        until = time.monotonic() + _FAREWELL_SECONDS
        while self._to_client.size and time.monotonic() < until:
            self._say_to_client(dict(poll.poll(1000)).get(_STDOUT, 0))


def main(arguments: Sequence[str], resident: Sequence[str] = RESIDENT) -> int:
    """Run the pipe and return its exit status. `resident` is the command that starts a resident server."""
    if {"--help", "-h"} & set(arguments):
        sys.stdout.write(HELP)
        return 0
    try:
        stops, settings = _read(arguments)
    except Misused as error:
        sys.stderr.write(f"mcp-rag stdio: {error} Run `mcp-rag stdio --help`.\n")
        return 2
    # These are what clients have a resident in common by.
    os.environ.update(settings)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        place = rendezvous.meeting_place()
        try:
            Pipe(Way(place, resident)).run()
        finally:
            if stops or os.getpid() == 1:
                rendezvous.stop(place, _STOP_SECONDS)
    except BrokenPipeError:
        return 0
    except (Unreachable, UnsafeFolder) as error:
        sys.stderr.write(f"mcp-rag stdio: {error}\n")
        return 1
    return 0


class Misused(Exception):
    """An option is unknown, or its value is wrong."""


def _read(arguments: Sequence[str]) -> tuple[bool, dict[str, str]]:
    """Whether the resident shall be stopped, and the settings that are given as options."""
    stops, settings = False, dict[str, str]()
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--stop-resident-on-exit":
            stops = True
        elif argument == "--read-only":
            settings["MCP_RAG_READ_ONLY"] = "1"
        elif name in _NEEDED:
            settings[_NEEDED[name]] = _given(name, value if equals else next(rest, ""))
        else:
            raise Misused(f"unknown option {argument}.")
    return stops, settings


def _given(option: str, value: str) -> str:
    if option == "--tools" and not value.strip(", "):
        raise Misused("--tools needs names of tools, between commas.")
    if option == "--health-port" and not (
        value.isdecimal() and value.isascii() and int(value) <= _HIGHEST_PORT
    ):
        raise Misused(f"--health-port needs a number from 0 to {_HIGHEST_PORT}.")
    return value


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
