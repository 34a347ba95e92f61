"""What a client hears of a call before its result."""

import asyncio

from tests.conftest import eventually


class Heard:
    """All that a client hears of its call."""

    def __init__(self) -> None:
        self.words = list[tuple[float, float | None, str | None]]()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.words.append((progress, total, message))

    async def more(self, words: int = 2) -> None:
        """Wait until it has heard so many more."""
        wanted = len(self.words) + words
        await eventually(lambda: asyncio.sleep(0, len(self.words) >= wanted))

    def grew(self) -> bool:
        told = [progress for progress, _, _ in self.words]
        return told == sorted(set(told))
