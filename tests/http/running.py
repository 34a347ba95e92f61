"""The whole HTTP application on a real port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn

from mcp_rag.compose import Parts
from mcp_rag.errors import StoreUnavailable
from mcp_rag.identity import Scope
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from mcp_rag.rag import Rag
from mcp_rag.serving import create_app
from mcp_rag.settings import Settings
from tests.conftest import eventually
from tests.free_ports import free_port


class Ready:
    """Parts that are there already; without a service, those of a server whose database is down."""

    def __init__(self, rag: Rag | None, database: Database | None) -> None:
        self._rag, self._database = rag, database

    @property
    def parts(self) -> Parts | None:
        if self._rag is None or self._database is None:
            return None
        return Parts(self._rag, Identities(self._database), self._database)

    async def rag(self) -> Rag:
        if self._rag is None:
            raise StoreUnavailable
        return self._rag

    async def identities(self) -> Identities:
        if self._database is None:
            raise StoreUnavailable
        return Identities(self._database)

    def begin(self) -> None:
        """They are there."""

    async def close(self) -> None:
        """They are somebody else's."""


@asynccontextmanager
async def running(rag: Rag | None, database: Database | None, **settings: object) -> AsyncIterator[str]:
    """Its base URL."""
    port = int(str(settings.get("port") or free_port()))
    app = create_app(Ready(rag, database), Settings(**settings))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", ws="none"))
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: asyncio.sleep(0, server.started))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


async def token(
    database: Database, tenant: str = "default", *scopes: Scope, name: str = "tester"
) -> dict[str, str]:
    """The header of a new token that may do this, or everything."""
    made = await Identities(database).create_token(tenant, name, scopes or ["admin"], None)
    return {"Authorization": f"Bearer {made.text}"}


def caller(url: str, headers: dict[str, str] | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, timeout=60, headers=headers)
