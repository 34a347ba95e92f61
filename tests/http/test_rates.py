"""What a caller may ask for in a while, over REST and MCP."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.rates import Allowances, SlidingRates
from tests.caching.redis_server import RedisServer
from tests.conftest import Borrowed
from tests.http.running import caller, running, token

HALF_A_MEGABYTE = [{"text": f"{n} {'garden ' * 1200}"} for n in range(70)]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(prefix="rag-"))
    server = RedisServer(folder, "tcp")
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


@asynccontextmanager
async def limited(
    database: Database, embedder: Embedder, redis_url: str | None = None, **allowances: int
) -> AsyncIterator[str]:
    rates = SlidingRates(Allowances(**allowances), redis_url=redis_url)
    rag = Rag(Store(database), Borrowed(embedder), rates=rates)
    try:
        async with running(rag, database) as url:
            yield url
    finally:
        await rag.vectors.close()
        await rates.close()


async def statuses(client: httpx2.AsyncClient, calls: int) -> list[int]:
    return [(await client.get("/conversations")).status_code for _ in range(calls)]


async def test_more_calls_than_allowed_are_refused_and_told_when_to_come_back(
    database: Database, embedder: Embedder
) -> None:
    mine, theirs = await token(database, name="mine"), await token(database, name="theirs")
    async with limited(database, embedder, calls=3) as url, caller(url, mine) as client:
        assert await statuses(client, 4) == [200, 200, 200, 429]
        refused = await client.get("/conversations")
        assert refused.json()["type"] == "urn:mcp-rag:TooMuch"
        assert "mine made 3 calls in the last minute" in refused.json()["detail"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        async with caller(url, theirs) as other:
            assert await statuses(other, 1) == [200]


async def test_the_callers_of_a_tenant_share_what_it_is_allowed(
    database: Database, embedder: Embedder
) -> None:
    headers = [await token(database, "one"), await token(database, "one"), await token(database, "two")]
    async with limited(database, embedder, tenant_calls=2) as url:
        answers = []
        for each in headers:
            async with caller(url, each) as client:
                answers.append(await statuses(client, 2))
    assert answers == [[200, 200], [429, 429], [200, 200]]


async def test_a_tool_says_it_to_the_model(database: Database, embedder: Embedder) -> None:
    mine = await token(database, name="mine")
    async with limited(database, embedder, calls=1) as url:
        http = httpx2.AsyncClient(headers=mine, timeout=60)
        async with http, Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
            assert not (await client.call_tool("list_conversations", {})).is_error
            refused = await client.call_tool("list_conversations", {})
            assert refused.is_error
            assert "mine made 1 calls" in refused.content[0].text
            assert "Try again in" in refused.content[0].text


async def test_a_tenant_stores_so_much_in_a_day_and_no_more(database: Database, embedder: Embedder) -> None:
    mine = await token(database)
    async with limited(database, embedder, megabytes=1) as url, caller(url, mine) as client:
        answers = [
            await client.post("/ingest", json={"conversation_id": name, "messages": HALF_A_MEGABYTE})
            for name in ("a", "b")
        ]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert "This tenant stored 1 MiB in the last day" in answers[1].json()["detail"]
        small = await client.post("/ingest", json={"conversation_id": "c", "content": "A note."})
        assert small.status_code == 200


async def test_servers_that_share_a_redis_count_together(
    database: Database, embedder: Embedder, redis: RedisServer
) -> None:
    mine = await token(database)
    async with (
        limited(database, embedder, redis.url, calls=2) as first,
        limited(database, embedder, redis.url, calls=2) as second,
        caller(first, mine) as one,
        caller(second, mine) as other,
    ):
        assert await statuses(one, 1) == [200]
        assert await statuses(other, 2) == [200, 429]
        assert await statuses(one, 1) == [429]


async def test_a_redis_that_is_down_stops_nobody(
    database: Database, embedder: Embedder, redis: RedisServer
) -> None:
    mine = await token(database)
    redis.kill()
    async with limited(database, embedder, redis.url, calls=2) as url, caller(url, mine) as client:
        assert await statuses(client, 3) == [200, 200, 429]
