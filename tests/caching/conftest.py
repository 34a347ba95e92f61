import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from mcp_rag.caching.redis import Redis

from .redis_server import RedisServer

Connect = Callable[..., Redis]


@pytest.fixture(params=["tcp", "unix"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A running Redis of this test's own."""
    # Not tmp_path: a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="rag-"))
    server = RedisServer(folder, request.param)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens a cache. By default it waits long, so that a busy machine is no outage, and never rests."""
    opened: list[Redis] = []

    def open_(url: str, *, lifetime: int = 3600, patience: float = 20.0, pause: float = 0.0) -> Redis:
        opened.append(Redis(url, lifetime=lifetime, patience=patience, pause=pause))
        return opened[-1]

    yield open_
    for cache in opened:
        await cache.close()
