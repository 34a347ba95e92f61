"""Several processes of the service on one database, as many as there are behind a proxy."""

from contextlib import AsyncExitStack
from pathlib import Path

from tests.http.process import Service

DRAIN = "4"
GRACE = "60"
POOL = 32


class Fleet:
    """The processes behind the proxy."""

    def __init__(self, home: Path, database_url: str, stack: AsyncExitStack, *, pool: int = POOL) -> None:
        """`pool`: connections of each."""
        self._home, self._database_url, self._stack, self._pool = home, database_url, stack, pool
        self.serving: dict[str, Service] = {}

    async def start(self, name: str, **settings: str) -> Service:
        service = Service(
            self._home,
            self._database_url,
            MCP_RAG_EMBED="0",
            MCP_RAG_POOL_SIZE=str(self._pool),
            MCP_RAG_DRAIN_SECONDS=DRAIN,
            MCP_RAG_GRACE_SECONDS=GRACE,
            **settings,
        )
        self.serving[name] = await self._stack.enter_async_context(service)
        return service

    @property
    def ports(self) -> dict[str, int]:
        return {name: service.port for name, service in self.serving.items()}
