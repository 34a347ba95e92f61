"""How soon a database that was away is used again: by calls, and by what embeds."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2

from bench.figures import Figure, Target
from bench.service import identities, served
from bench.stores import Progress
from mcp_rag import jobs
from mcp_rag.postgres import schema
from mcp_rag.postgres.embedded import EmbeddedServer

BACK = Target(5)
AWAY = 10.0
"""Seconds that it is away."""
PATIENCE = 120


async def measure(*, outages: int, progress: Progress) -> list[Figure]:
    """A server of its own is stopped and started as often; the longest time counts."""
    with tempfile.TemporaryDirectory(prefix="mcp-rag-bench-") as folder:
        server = EmbeddedServer(Path(folder) / "data")
        try:
            url = server.start().owner
            await schema.migrate(url)
            async with identities(url) as known:
                token = (await known.create_token("default", "bench", ["admin"], None)).text
            async with served(url, token) as service:
                took = [await _outage(server, service.client, n, progress) for n in range(outages)]
        finally:
            server.destroy()
    calls, vectors = (max(times) for times in zip(*took, strict=True))
    note = f"{outages} times away for {AWAY:g} s; the longest"
    return [
        Figure("until calls are answered again", calls, "s", target=BACK, note=note),
        Figure("until what is stored then has its vector", vectors, "s", target=BACK, note=note),
    ]


async def _outage(
    server: EmbeddedServer, client: httpx2.AsyncClient, number: int, progress: Progress
) -> tuple[float, float]:
    """Seconds from when the database is there again."""
    progress(f"taking the database away, {number + 1}")
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(server.start)
    begun = time.perf_counter()
    await _until(lambda: _answers(client))
    answered = time.perf_counter() - begun
    name = f"after {number}"
    stored = {"conversation_id": name, "content": "The database came back."}
    (await client.post("/ingest", json=stored)).raise_for_status()
    await _until(lambda: _has_its_vector(client, name))
    return answered, time.perf_counter() - begun


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.05)


async def _answers(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/conversations")).status_code == 200


async def _has_its_vector(client: httpx2.AsyncClient, conversation_id: str) -> bool:
    job = jobs.uri(conversation_id).removeprefix(jobs.SCHEME)
    answer = await client.get(f"/jobs/{job}")
    return answer.status_code == 200 and answer.json()["state"] == "done"
