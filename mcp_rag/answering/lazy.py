"""What is opened only when it is needed, and then off the event loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Closeable(Protocol):
    async def close(self) -> None: ...


Opened = TypeVar("Opened", bound=Closeable)


class Lazy(Generic[Opened]):
    """Opens with `open_`, once. After `close` it raises what `closed` makes."""

    def __init__(self, open_: Callable[[], Opened], closed: Callable[[], Exception]) -> None:
        self._open = open_
        self._closed = closed
        self._opening = asyncio.Lock()
        self._opened: Opened | None = None
        self._is_closed = False

    async def get(self) -> Opened:
        async with self._opening:
            if self._is_closed:
                raise self._closed()
            if self._opened is None:
                self._opened = await asyncio.to_thread(self._open)
            return self._opened

    async def close(self) -> None:
        self._is_closed = True
        async with self._opening:
            if self._opened is not None:
                await self._opened.close()
