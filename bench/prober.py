"""`python -m bench.prober URL`: asks until its stdin ends, then says how long each answer took.

A process of its own: what measures is not to wait for what else the bench does.
"""

import json
import select
import sys
import time

import httpx2

APART = 0.02
"""Seconds between two questions."""


def main() -> None:
    took = []
    with httpx2.Client(timeout=60) as client:
        while not select.select([sys.stdin], [], [], APART)[0]:
            begun = time.perf_counter()
            client.get(sys.argv[1]).raise_for_status()
            took.append((time.perf_counter() - begun) * 1000)
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    main()
