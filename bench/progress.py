"""What is going on, said while it goes on."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from bench.stores import Progress

_SELDOM = 10.0
"""Seconds between two lines where no terminal shows the latest word in place."""


@contextmanager
def shown() -> Iterator[Progress]:
    """On stderr: in one place of a terminal, else in lines, with the seconds since the start."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with Console(stderr=True).status("measuring") as status:
        yield status.update


class _Lines:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._next = self._began

    def __call__(self, words: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            sys.stderr.write(f"{now - self._began:6.0f} s  {words}\n")
            sys.stderr.flush()
            self._next = now + _SELDOM
