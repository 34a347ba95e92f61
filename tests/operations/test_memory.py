"""As many clients as the service is made for, again and again: all are served, and nothing stays behind."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client

from tests.cli.command import PATIENCE
from tests.conftest import eventually
from tests.http.process import Service

pytestmark = pytest.mark.operations

CLIENTS, SEARCHES, BATCHES, ROUNDS, WARM = 200, 100, 2, 5, 1
"""Of the rounds the first fills pools, caches and arenas, and is not counted."""
GROWTH = 3.0
"""MiB by which the least of the last rounds may be above the least of the first that count."""
WORDS = [
    f"{a}{b}{c}"
    for a in ("bar", "del", "fon", "gri", "mol")
    for b in "aeiou"
    for c in ("ck", "ld", "nt", "sk")
]


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Service]:
    async with Service(tmp_path, database_url, MCP_RAG_EMBED="0") as service:
        yield service


@asynccontextmanager
async def session(service: Service) -> AsyncIterator[Client]:
    async with Client(
        sse_client(f"{service.url}/sse", timeout=PATIENCE), mode="legacy", read_timeout_seconds=PATIENCE
    ) as client:
        yield client


class Streams:
    """Clients over SSE, each in a task of its own, from when all are there until all are told to leave."""

    def __init__(self, service: Service, number: int) -> None:
        self._service, self._number = service, number

    async def __aenter__(self) -> None:
        self._leave, there = asyncio.Event(), asyncio.Semaphore(0)
        self._tasks = [asyncio.create_task(self._one(there)) for _ in range(self._number)]
        for _ in self._tasks:
            await there.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._leave.set()
        await asyncio.gather(*self._tasks)

    async def _one(self, there: asyncio.Semaphore) -> None:
        try:
            async with session(self._service) as client:
                assert client.server_info.name == "mcp-rag"
                there.release()
                await self._leave.wait()
        finally:
            there.release()


def streams(service: Service) -> int:
    """Connections that clients have to it."""
    connections = psutil.Process(service.process.pid).net_connections("tcp")
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == service.port for each in connections
    )


async def fill(http: httpx2.AsyncClient, words: random.Random) -> None:
    for number in range(20):
        content = "\n\n".join(" ".join(words.choices(WORDS, k=120)) for _ in range(20))
        answer = await http.post("/ingest", json={"conversation_id": f"talk {number}", "content": content})
        assert answer.status_code == 200


async def searched(http: httpx2.AsyncClient, words: random.Random) -> int:
    """A hundred at once; bytes of what was answered."""
    questions = [" ".join(words.choices(WORDS, k=3)) for _ in range(SEARCHES)]
    calls = (http.post("/search", json={"query": question, "limit": 50}) for question in questions)
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["results"] for answer in answers)
    return sum(len(answer.content) for answer in answers)


async def test_two_hundred_clients_over_sse_and_a_hundred_searches_at_once_leave_nothing_behind(
    service: Service,
) -> None:
    words = random.Random(1)
    limits = httpx2.Limits(max_connections=SEARCHES, max_keepalive_connections=0)
    resident = [service.resident]
    async with AsyncExitStack() as stack:
        plain = {"Accept-Encoding": "identity"}
        client = httpx2.AsyncClient(base_url=service.url, headers=plain, timeout=PATIENCE, limits=limits)
        http = await stack.enter_async_context(client)
        await fill(http, words)
        for _ in range(ROUNDS):
            async with Streams(service, CLIENTS):
                assert streams(service) >= CLIENTS
                answered = sum([await searched(http, words) for _ in range(BATCHES)])
            await eventually(lambda: asyncio.sleep(0, streams(service) == 0), within=PATIENCE)
            resident.append(service.resident)
    print(f"{answered / 2**20:.1f} MiB in the last round; resident", [f"{size:.1f}" for size in resident])
    counted = resident[1 + WARM :]
    assert min(counted[-2:]) - min(counted[:2]) <= GROWTH
