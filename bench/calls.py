"""What a call over MCP costs: one that does nothing beside the SDK's own server, and the memory of many."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx2
import psutil  # type: ignore[import-untyped]
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from bench.answers import first, questions_of
from bench.corpus import Corpus
from bench.figures import Figure, Reference, Target, percentile
from bench.idle import NAME
from bench.service import identities, served
from bench.stdio import Home
from bench.stores import Lent, Progress, empty_store, store_all
from mcp_rag.cli import ports
from mcp_rag.ports import Embedder

ROUND_TRIP, FLAT = Target(1.5), Target(1.05)
ERAS = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28"}
WARM = 20
"""Calls that are not counted."""
AT_ONCE = 50
_IDLE = [sys.executable, "-m", "bench.idle"]

Connect = Callable[[str], Any]
"""A client of a server, in an era of the protocol."""


class Server(NamedTuple):
    """A server and how it is reached over each transport."""

    connect: dict[str, Connect]
    megabytes: dict[str, Callable[[], float]]
    """Of the process that does the work, by transport."""


async def measure(
    server_url: str, corpus: Corpus, embedder: Embedder, *, size: int, calls: int, progress: Progress
) -> list[Figure]:
    """A store of about `size` passages; so many `calls` of each kind, and as many searches."""
    told = list(first(corpus, size))
    questions = questions_of(told)
    async with empty_store(server_url, Lent(embedder)) as (rag, url):
        await store_all(rag, told)
        await rag.vectors.drain()
        async with _ours(url) as ours, _minimal() as theirs:
            costs = [
                await _cost(ours, theirs, transport, revision, calls // 2, progress)
                for transport in ours.connect
                for revision in ERAS
            ]
            memories = [
                await _memory(ours, transport, questions, calls, progress) for transport in ours.connect
            ]
            return costs + [figure for each in memories for figure in each]


async def _cost(
    ours: Server, theirs: Server, transport: str, revision: str, calls: int, progress: Progress
) -> Figure:
    progress(f"calling over {transport}, {revision}")
    era = ERAS[revision]
    async with ours.connect[transport](era) as client, theirs.connect[transport](era) as other:
        took = await _by_turns({"ours": client, "theirs": other}, calls)
    reference = Reference("the SDK's own server", took["theirs"])
    return Figure(f"nothing, over {transport}, {revision}, p50", took["ours"], "ms", reference, ROUND_TRIP)


async def _by_turns(clients: dict[str, Client], calls: int) -> dict[str, float]:
    """Milliseconds, p50."""
    took: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(WARM + calls):
        for name in [*clients][:: 1 if turn % 2 else -1]:
            begun = time.perf_counter()
            result = await clients[name].call_tool(NAME, {})
            if turn >= WARM:
                took[name].append((time.perf_counter() - begun) * 1000)
            assert not result.is_error, result.content
    return {name: percentile(each, 0.5) for name, each in took.items()}


async def _memory(
    server: Server, transport: str, questions: Sequence[str], calls: int, progress: Progress
) -> list[Figure]:
    """A fifth first: pools, caches and arenas fill. As many at the end say whether it goes on growing."""
    progress(f"searching {2 * calls:,} times over {transport}")
    warm, batches = calls // 5, max(1, calls // 250)
    async with server.connect[transport](ERAS["2025-11-25"]) as client:
        before, after, later = [
            await _after(client, questions, number, batches, server.megabytes[transport])
            for number in (warm, calls, calls)
        ]
    again = f"  after as many once more, over {transport}"
    name = f"memory after {calls:,} searches, then {batches} times {AT_ONCE} at once, over {transport}"
    return [
        Figure(name, after, "MB", Reference(f"after {warm:,}, and as many at once", before), FLAT),
        Figure(again, later, "MB", Reference("before those", after), FLAT),
    ]


async def _after(
    client: Client, questions: Sequence[str], calls: int, batches: int, megabytes: Callable[[], float]
) -> float:
    async def search(number: int) -> None:
        result = await client.call_tool("search", {"query": questions[number % len(questions)]})
        assert not result.is_error, result.content

    for number in range(calls):
        await search(number)
    for _ in range(batches):
        await asyncio.gather(*(search(number) for number in range(AT_ONCE)))
    return megabytes()


@asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Server]:
    async with identities(url) as known, AsyncExitStack() as stack:
        token = (await known.create_token("default", "bench", ["read"], None)).text
        folder = stack.enter_context(TemporaryDirectory(prefix="mcp-rag-bench-"))
        home = Home(Path(folder), MCP_RAG_DATABASE_URL=url)
        stack.callback(home.stop_resident)
        service = await stack.enter_async_context(served(url, token, module="bench.idle"))
        serving = psutil.Process(service.pid)

        def of_the_service() -> float:
            return float(serving.memory_info().rss) / 1e6

        base = str(service.client.base_url).rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        yield Server(
            {
                "stdio": _over_stdio([*_IDLE, "stdio"], home.environment),
                "SSE": _over_sse(f"{base}/sse", headers),
                "HTTP": _over_http(f"{base}/mcp", headers),
            },
            {"stdio": home.resident_megabytes, "SSE": of_the_service, "HTTP": of_the_service},
        )


@asynccontextmanager
async def _minimal() -> AsyncIterator[Server]:
    sse, http = ports.free("127.0.0.1", 0), ports.free("127.0.0.1", 0)
    processes = [
        subprocess.Popen([*_IDLE, "minimal", transport, str(port)], stdin=subprocess.DEVNULL)
        for transport, port in (("sse", sse), ("streamable-http", http))
    ]
    try:
        await asyncio.gather(*(_listens(port) for port in (sse, http)))
        yield Server(
            {
                "stdio": _over_stdio([*_IDLE, "minimal", "stdio", "0"], None),
                "SSE": _over_sse(f"http://127.0.0.1:{sse}/sse", {}),
                "HTTP": _over_http(f"http://127.0.0.1:{http}/mcp", {}),
            },
            {},
        )
    finally:
        for process in processes:
            process.terminate()
            process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def _over_stdio(command: Sequence[str], environment: dict[str, str] | None) -> Connect:
    parameters = StdioServerParameters(command=command[0], args=list(command[1:]), env=environment)
    return lambda era: Client(stdio_client(parameters), mode=era)


def _over_sse(url: str, headers: dict[str, str]) -> Connect:
    return lambda era: Client(sse_client(url, headers=headers, timeout=60), mode=era)


def _over_http(url: str, headers: dict[str, str]) -> Connect:
    @asynccontextmanager
    async def connect(era: str) -> AsyncIterator[Client]:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http), mode=era) as client,
        ):
            yield client

    return connect
