from collections.abc import AsyncIterator

import httpx2
import pytest

from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from tests.http.running import caller, running


@pytest.fixture
async def url(rag: Rag, database: Database) -> AsyncIterator[str]:
    """A server on an empty store, which reads bodies of one MiB."""
    async with running(rag, database, max_message_mb=1) as url:
        yield url


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller of that server."""
    async with caller(url) as client:
        yield client
