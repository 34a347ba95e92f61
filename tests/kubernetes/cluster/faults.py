"""What the cluster is told to do wrong."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Fault:
    """Hits the requests that match it, after the first few, as often as it has `times`."""

    request: str
    """A regular expression for `VERB path?query`."""
    status: int = 500
    """200: no error at all, only what happens `meanwhile`."""
    times: int = 1
    skip: int = 0
    applied: bool = False
    """What was asked is done, and only the answer is an error."""
    meanwhile: Callable[[], None] = lambda: None
    """What else happens then, in the cluster's own thread."""
    hits: int = 0
    _seen: int = field(default=0, init=False)

    def strikes(self, request: str) -> bool:
        if not re.search(self.request, request):
            return False
        self._seen += 1
        if self._seen <= self.skip or self.hits >= self.times:
            return False
        self.hits += 1
        self.meanwhile()
        return True


@dataclass
class ExecFault:
    """Hits commands that are run in a pod."""

    command: str
    """A regular expression for the command, its words between blanks."""
    code: int | None = 1
    """What it exits with instead; None: its own code, its output cut short."""
    after: int = 0
    """Bytes of its output that arrive before."""
    times: int = 1
    hits: int = 0

    def strikes(self, command: str) -> bool:
        if self.hits >= self.times or not re.search(self.command, command):
            return False
        self.hits += 1
        return True


class Faults:
    def __init__(self) -> None:
        self.requests: list[Fault] = []
        self.execs: list[ExecFault] = []
        self.cut_watches = 0
        """How many of the next watches are cut off after their first event."""

    def of_request(self, request: str) -> Fault | None:
        struck = next((each for each in self.requests if each.strikes(request)), None)
        return struck if struck and struck.status != 200 else None

    def of_command(self, command: str) -> ExecFault | None:
        return next((each for each in self.execs if each.strikes(command)), None)

    @contextmanager
    def watch_cut(self) -> Iterator[bool]:
        """Whether this watch is one to be cut."""
        cut = self.cut_watches > 0
        self.cut_watches -= cut
        yield cut
