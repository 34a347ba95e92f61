"""Word of how a call goes on, for a client that asked for it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Resolve

Say = Callable[[Callable[[], Awaitable[None]]], None]


class Progress:
    """What was done of a call: each step as it is taken, and again where none is, that it is still at work.

    What a client hears grows with every word, as the protocol wants it: a word that tells of nothing new
    comes nearer to the next step and never reaches it.
    """

    def __init__(self, context: Context[Any, Any], say: Say) -> None:
        self._context, self._say = context, say
        self._message = "Still at work"
        self._done, self._words = 0, 0
        self._total: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """So many messages are stored; told with the next word."""
        self._message, self._total = f"Stored {done} of {total} messages", max(total, 1)
        # The last step is the commit.
        self._reach(min(done, total - 1))

    def say(self, message: str) -> None:
        """One more step, told at once."""
        self._message = message
        self._reach(self._done + 1)
        self._say(partial(self._context.report_progress, *self._word()))

    async def still_at_work(self) -> None:
        await self._context.report_progress(*self._word())

    def _reach(self, done: int) -> None:
        if done > self._done:
            self._done, self._words = done, 0

    def _word(self) -> tuple[float, int | None, str]:
        self._words += 1
        return self._done + 1 - 1 / self._words, self._total, self._message


_current: ContextVar[Progress] = ContextVar("progress")


def begin(context: Context[Any, Any], say: Say) -> Progress:
    """The progress of the call that begins here; its words are given to `say` to be sent."""
    progress = Progress(context, say)
    _current.set(progress)
    return progress


async def current() -> Progress:
    return _current.get()


Reported = Annotated[Progress, Resolve(current)]
