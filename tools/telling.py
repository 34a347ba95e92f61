"""What a client hears of its call before the result.

It is sent beside the work, which waits for no client: one that does not listen would keep its place.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.mcpserver import Context

from mcp_rag.tools import client_log, progress
from mcp_rag.tools.client_log import ClientLog

EVERY = 1.0
"""Seconds between two words. Clients give up a call of which they hear nothing; a minute is usual."""
Word = Callable[[], Awaitable[None]]


@asynccontextmanager
async def told(context: Context[Any, Any], tool: str) -> AsyncIterator[ClientLog]:
    """Tell the client how its call goes on, and all that there was to tell before the result."""
    words = asyncio.Queue[Word | None]()
    work = progress.begin(context, words.put_nowait)
    telling = asyncio.create_task(_tell(words, otherwise=work.still_at_work))
    try:
        yield client_log.begin(context, tool, words.put_nowait)
    except asyncio.CancelledError:
        telling.cancel()
        raise
    finally:
        words.put_nowait(None)
        await _ended(telling)


async def _ended(telling: asyncio.Task[None]) -> None:
    """It does not outlive who waits for it."""
    try:
        await asyncio.wait({telling})
    finally:
        telling.cancel()


async def _tell(words: asyncio.Queue[Word | None], *, otherwise: Word) -> None:
    while (word := await _next(words, otherwise)) is not None:
        await word()


async def _next(words: asyncio.Queue[Word | None], otherwise: Word) -> Word | None:
    try:
        async with asyncio.timeout(EVERY):
            return await words.get()
    except TimeoutError:
        return otherwise
