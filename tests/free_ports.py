"""TCP ports that nobody takes between their being chosen and their being listened on."""

import os
import random
import socket
from collections.abc import Iterator

RANGE = range(15_000, 31_000)
"""Below those that the system gives to connections (32768 on)."""
WORKERS = 16
"""Each of as many has its own, and takes one after the other."""


def _own() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = RANGE[worker % WORKERS :: WORKERS]
    turn = random.randrange(len(own))  # Others may run tests here too.
    while True:
        yield own[turn]
        turn = (turn + 1) % len(own)


_ports = _own()


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    for port in _ports:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("They have no end.")
