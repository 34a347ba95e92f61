"""News for clients: who listens to what, and what each has not been told yet."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context

from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated

from mcp_rag.announcements import Announcement
from mcp_rag.errors import RagError, StoreError
from mcp_rag.identity import Caller, whoever
from mcp_rag.log import logger
from mcp_rag.rag import Rag

log = logger()

Event = ResourcesListChanged | ResourceUpdated

APART = 0.5
"""Seconds between two rounds of news for a client: what comes meanwhile is told once."""
KNOWN_FOR = 60.0
"""Seconds after which it is asked again whether a client may still come in."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 4.0
"""Seconds before a service that could not be had is asked for again; doubled each time."""


async def always(_: Caller) -> bool:
    return True


class Listener:
    """One client: what it wants to hear of, and the news that wait for it, each once."""

    def __init__(self, caller: Caller, *, lists: bool) -> None:
        self.caller, self._lists = caller, lists
        self.known_until = 0.0
        """On the loop's clock: so long it is not asked who this is."""
        self._marks: dict[str, str] = {}
        """Of each address, the mark of its conversation."""
        self._news: dict[Event, None] = {}
        self._some = asyncio.Event()

    @property
    def addresses(self) -> int:
        return len(self._marks)

    def want(self, uri: str, mark: str) -> None:
        self._marks[uri] = mark

    def unwant(self, uri: str) -> None:
        self._marks.pop(uri, None)
        self._news.pop(ResourceUpdated(uri), None)

    def hear(self, announcement: Announcement | None) -> None:
        """None is of anything."""
        if self._lists and (announcement is None or announcement.listed):
            self._news[ResourcesListChanged()] = None
        for uri, mark in self._marks.items():
            if announcement is None or mark in announcement.marks:
                self._news[ResourceUpdated(uri)] = None
        if self._news:
            self._some.set()

    async def some(self) -> None:
        """Wait until there are news."""
        await self._some.wait()

    def take(self) -> list[Event]:
        taken, self._news = list(self._news), {}
        self._some.clear()
        return taken


class News:
    """What changes in the store, by whichever process, for the clients of this one that listen.

    While none does, nothing is listened to.
    """

    def __init__(
        self,
        rag: Callable[[], Awaitable[Rag]],
        still: Callable[[Caller], Awaitable[bool]] = always,
        *,
        apart: float = APART,
    ) -> None:
        """`rag` gives the service, nobody's in particular; `still`, whether somebody may still come in."""
        self._rag, self._still = rag, still
        self._apart = apart
        self._listeners: dict[int, set[Listener]] = {}
        self._hearing: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        return sum(map(len, self._listeners.values()))

    @contextmanager
    def listener(self, *, lists: bool) -> Iterator[Listener]:
        """Whoever calls now, as one who is told of their tenant, and from when on of the list."""
        listener = Listener(whoever(), lists=lists)
        tenant_id = listener.caller.tenant_id
        self._listeners.setdefault(tenant_id, set()).add(listener)
        if self._hearing is None:
            # In a context of its own: it is of nobody's call.
            self._hearing = asyncio.create_task(self._hear(), context=Context())
        try:
            yield listener
        finally:
            self._listeners[tenant_id].remove(listener)
            self._end_if_alone(tenant_id)

    async def told(self, listener: Listener) -> AsyncIterator[Event]:
        """The news for a listener as they come, until it may come in no more."""
        while True:
            await listener.some()
            # What comes meanwhile is told with it; and a client that leaves meanwhile, amid nothing.
            await asyncio.sleep(self._apart)
            if not await self._may_hear(listener):
                return
            for event in listener.take():
                yield event

    async def _may_hear(self, listener: Listener) -> bool:
        clock = asyncio.get_running_loop().time
        while clock() >= listener.known_until:
            try:
                if not await self._still(listener.caller):
                    return False
                listener.known_until = clock() + KNOWN_FOR
                break
            except StoreError:
                await asyncio.sleep(self._apart)
        return True

    def _end_if_alone(self, tenant_id: int) -> None:
        if not self._listeners[tenant_id]:
            del self._listeners[tenant_id]
        if not self._listeners and self._hearing is not None:
            self._hearing.cancel()
            self._hearing = None

    def _tell(self, announcement: Announcement | None) -> None:
        for tenant_id, listeners in self._listeners.items():
            if announcement is None or announcement.tenant_id == tenant_id:
                for listener in listeners:
                    listener.hear(announcement)

    async def _hear(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await (await self._rag()).listen(self._tell)
            except RagError as error:
                log.warning("hears no news", cause=error.cause, retry_after=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
