"""A cache in this process: what was not read for the longest time goes first."""

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_CHARACTERS = 8 * 2**20
"""Characters of all texts and keys together."""


class InProcess:
    """The port `Cache` in memory: at most so many entries, each for `lifetime` seconds."""

    def __init__(
        self, entries: int = 256, lifetime: float = 3600.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._entries, self._lifetime, self._clock = entries, lifetime, clock
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._characters = 0

    async def get(self, key: str) -> str | None:
        if key not in self._kept:
            return None
        text, until = self._kept[key]
        if self._clock() >= until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return text

    async def put(self, key: str, text: str) -> None:
        self._drop(key)
        if len(key) + len(text) > MAX_CHARACTERS:
            return
        self._kept[key] = text, self._clock() + self._lifetime
        self._characters += len(key) + len(text)
        while len(self._kept) > self._entries or self._characters > MAX_CHARACTERS:
            self._drop(next(iter(self._kept)))

    async def drop(self, beginning: str) -> None:
        for key in [key for key in self._kept if key.startswith(beginning)]:
            self._drop(key)

    async def answers(self) -> bool:
        return True

    async def close(self) -> None:
        self._kept.clear()
        self._characters = 0

    def _drop(self, key: str) -> None:
        if key in self._kept:
            text, _ = self._kept.pop(key)
            self._characters -= len(key) + len(text)
