"""`mcp-rag serve` beside the service that is in it: searches over REST, probes, and who may call."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2

from bench.answers import first, questions_of
from bench.by_hand import Prepared, connected, prepared
from bench.corpus import Corpus
from bench.figures import Figure, Reference, Target, percentile
from bench.stores import Lent, Progress, empty_store, store_all
from mcp_rag.cli import ports
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import SESSION, Database
from mcp_rag.postgres.identities import Identities
from mcp_rag.rag import Rag

OVERHEAD, THROUGHPUT, IDENTIFYING = Target(1.3), Target(0.8, at_least=True), Target(1)
ALIVE = Target(50)
AT_ONCE = 16
BEYOND = 64
"""Clients at once, more than the calls that a server works on at the same time."""
SEARCHES = 400
"""How many are made by `AT_ONCE` clients together."""
STARTS = 60
"""Seconds in which the server must have started."""

Search = Callable[[str], Awaitable[Any]]


async def measure(
    server_url: str, corpus: Corpus, embedder: Embedder, *, size: int, progress: Progress
) -> list[Figure]:
    """A store of about `size` passages; the server is a process of its own on the same database."""
    progress(f"serving {size:,} passages")
    told = list(first(corpus, size))
    questions = questions_of(told)
    async with empty_store(server_url, Lent(embedder)) as (rag, url):
        await store_all(rag, told)
        await rag.vectors.drain()
        async with identities(url) as known:
            token = (await known.create_token("default", "bench", ["read"], None)).text
            async with served(url, token) as service:
                over = _over_rest(service.client)
                figures = [await _one_by_one(rag, over, questions), await _together(rag, over, questions)]
                figures.append(await _alive(service.probes, over, questions))
            vectors = [await embedder.embed_query(question) for question in questions]
            asked = [prepared(*each) for each in zip(questions, vectors, strict=True)]
            return [*figures, await _admitted(rag, url, known, token, asked)]


@asynccontextmanager
async def identities(url: str) -> AsyncIterator[Identities]:
    database = Database(url=url)
    await database.open()
    try:
        yield Identities(database)
    finally:
        await database.close()


class Served(NamedTuple):
    client: httpx2.AsyncClient
    probes: str
    """Where it answers probes."""
    pid: int


@asynccontextmanager
async def served(url: str, token: str, *, module: str = "mcp_rag") -> AsyncIterator[Served]:
    """The service as a process of its own, once it finds by meaning. `module` has its commands."""
    port, health = ports.free("127.0.0.1", 0), ports.free("127.0.0.1", 0)
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--port", str(port), "--health-port", str(health)],
        env={**os.environ, "MCP_RAG_DATABASE_URL": url, "MCP_RAG_LOG_LEVEL": "error"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx2.Limits(max_connections=BEYOND)
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, limits=limits
        ) as client:
            async with asyncio.timeout(STARTS):
                while not await _finds_by_meaning(client):
                    await asyncio.sleep(0.1)
            yield Served(client, f"http://127.0.0.1:{health}", process.pid)
    finally:
        process.terminate()
        process.wait()


async def _finds_by_meaning(client: httpx2.AsyncClient) -> bool:
    try:
        answer = await client.post("/search", json={"query": "anything"})
    except httpx2.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["mode"] == "hybrid"


def _over_rest(client: httpx2.AsyncClient) -> Search:
    async def search(question: str) -> None:
        (await client.post("/search", json={"query": question})).raise_for_status()

    return search


async def _one_by_one(rag: Rag, over: Search, questions: Sequence[str]) -> Figure:
    """By turns, in either order: whoever comes second finds the database's caches warm."""
    took: dict[str, list[float]] = {"rest": [], "bare": []}
    ways: list[tuple[str, Search]] = [("bare", _bare(rag)), ("rest", over)]
    for turn, question in enumerate([*questions[:5], *questions]):
        for name, way in ways[:: 1 if turn % 2 else -1]:
            spent = await _timed(way(question))
            if turn >= 5:
                took[name].append(spent)
    rest, bare = (percentile(took[name], 0.5) for name in ("rest", "bare"))
    return Figure("POST /search p50", rest, "ms", Reference("Rag.search called in process", bare), OVERHEAD)


def _bare(rag: Rag) -> Search:
    async def search(question: str) -> None:
        await rag.search(question, context=1)

    return search


async def _together(rag: Rag, over: Search, questions: Sequence[str]) -> Figure:
    """Three rounds of each by turns, of which the best counts: what else the machine does only slows down."""
    rates: dict[str, list[float]] = {"rest": [], "bare": []}
    for _ in range(3):
        rates["bare"].append(await _rate(_bare(rag), questions))
        rates["rest"].append(await _rate(over, questions))
    bare = Reference(f"Rag.search by {AT_ONCE} tasks", max(rates["bare"]))
    return Figure(f"POST /search by {AT_ONCE} clients", max(rates["rest"]), "a second", bare, THROUGHPUT)


async def _alive(probes: str, over: Search, questions: Sequence[str]) -> Figure:
    """A probe while there is no place for another call."""
    prober = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.prober", f"{probes}/livez",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    await _rate(over, questions, at_once=BEYOND)
    said, _ = await prober.communicate(b".")
    took = json.loads(said)
    return Figure(
        f"/livez, {BEYOND} clients searching, p99",
        percentile(took, 0.99),
        "ms",
        target=ALIVE,
        note=f"of {len(took)} probes; p50 {percentile(took, 0.5):.1f} ms",
    )


async def _rate(search: Search, questions: Sequence[str], *, at_once: int = AT_ONCE) -> float:
    waiting = iter([questions[n % len(questions)] for n in range(SEARCHES)])

    async def client() -> None:
        for question in waiting:
            await search(question)

    seconds = await _timed(asyncio.gather(*(client() for _ in range(at_once)))) / 1000
    return SEARCHES / seconds


async def _admitted(
    rag: Rag, url: str, identities: Identities, token: str, asked: Sequence[Prepared]
) -> Figure:
    """Who calls, and the same statements under row-level security and as the owner, whom it does not bind."""
    identify = percentile([await _timed(identities.identify(token)) for _ in asked], 0.5)
    owner = {name: value for name, value in SESSION.items() if name != "role"}
    async with connected(url, rag) as bound, connected(url, rag, owner) as free:
        more = []
        for turn, question in enumerate(asked):
            spent = {}
            for hand in (bound, free) if turn % 2 else (free, bound):
                spent[hand] = await _timed(hand.search(question))
            more.append(spent[bound] - spent[free])
    security = percentile(more, 0.5)
    note = f"identification {identify:.2f} ms, row-level security {security:.2f} ms"
    return Figure(
        "who calls, and what they may see, p50", identify + security, "ms", target=IDENTIFYING, note=note
    )


async def _timed(work: Awaitable[Any]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    await work
    return (time.perf_counter() - started) * 1000
