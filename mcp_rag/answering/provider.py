"""A model behind a service: opened when it is first asked, read event by event."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import ClassVar, Generic, Protocol, TypeVar

from mcp_rag.answering.lazy import Closeable, Lazy
from mcp_rag.answering.service import Service
from mcp_rag.models import Claim, Spent, Wanted
from mcp_rag.ports import Brief

Connection = TypeVar("Connection", bound=Closeable)


class Reading(Protocol):
    """Makes claims of the events of one stream. Both raise AnsweringFailed where what comes is no answer."""

    def feed(self, event: object) -> Sequence[Claim | Wanted | Spent]: ...

    def end(self) -> Sequence[Claim | Wanted]: ...


class Provider(ABC, Generic[Connection]):
    """The port `Answerer`, but for how a service is asked and how it answers."""

    name: ClassVar[str]

    def __init__(self, service: Service, max_tokens: int) -> None:
        self.model = service.model
        self._service = service
        self._max_tokens = max_tokens
        self._connection = Lazy(self._connect, service.closed)

    async def write(self, brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        reading = self._reading(brief)
        events = self._events(await self._connection.get(), brief)
        async with aclosing(events):
            async for event in events:
                for piece in reading.feed(event):
                    yield piece
        for piece in reading.end():
            yield piece

    async def close(self) -> None:
        await self._connection.close()

    @abstractmethod
    def _connect(self) -> Connection:
        """Called once, in a thread: SDKs take a second to import."""

    @abstractmethod
    def _events(self, connection: Connection, brief: Brief) -> AsyncGenerator[object]: ...

    @abstractmethod
    def _reading(self, brief: Brief) -> Reading: ...
