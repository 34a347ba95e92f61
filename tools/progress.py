"""Word of how a call goes on, for a client that asked for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Resolve

EVERY = 1.0
"""Seconds between two words. Clients give up a call of which they hear nothing; a minute is usual."""


class Progress:
    """What was done of a call, told once a second, and again where nothing was: it is still at work.

    What a client hears grows with every word, as the protocol wants it: a word that tells of nothing new
    comes nearer to the next step and never reaches it.
    """

    def __init__(self, context: Context[Any, Any]) -> None:
        self._context = context
        self._message = "Still at work"
        self._done, self._words = 0, 0
        self._total: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """So many messages are stored; told with the next word."""
        self._message, self._total = f"Stored {done} of {total} messages", max(total, 1)
        # The last step is the commit.
        self._reach(min(done, total - 1))

    async def say(self, message: str) -> None:
        """One more step, told at once."""
        self._message = message
        self._reach(self._done + 1)
        await self._tell()

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._tell()

    def _reach(self, done: int) -> None:
        if done > self._done:
            self._done, self._words = done, 0

    async def _tell(self) -> None:
        progress = self._done + 1 - 1 / (self._words + 1)
        self._words += 1
        await self._context.report_progress(progress, self._total, self._message)


_current: ContextVar[Progress] = ContextVar("progress")


@asynccontextmanager
async def told(context: Context[Any, Any]) -> AsyncIterator[None]:
    """Tell the client how its call goes on, until the end."""
    progress = Progress(context)
    _current.set(progress)
    telling = asyncio.create_task(progress.keep_telling())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait({telling})


async def current() -> Progress:
    return _current.get()


Reported = Annotated[Progress, Resolve(current)]
