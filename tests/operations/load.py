"""Callers who keep to a timetable, whatever they are answered: by REST, by MCP of both eras, over SSE.

Every call that stores has a conversation of its own, and must be told that it has added one message. One that
was carried out and told otherwise is found by that: sent again, it adds nothing.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.cli.command import PATIENCE
from tests.conftest import eventually

MODERN, LEGACY, SSE, NEWER_SSE = "2026-07-28", "legacy", "sse", "sse of the newer era"
KINDS = ("search", "ingest", MODERN, LEGACY, SSE, NEWER_SSE)
TEXT = "The gate is green."
ENDED = ("Session terminated", "Session not found", "Connection closed")
"""What a client is told whose session has ended with its process: it makes another, and calls again."""
TRIES = 5

Token = dict[str, str]
Connect = Callable[[], AbstractAsyncContextManager[Client]]
Call = Callable[[str], Awaitable[None]]


class Failed(Exception):
    """A call was not answered as it should be."""


@dataclass
class Report:
    """What became of the calls of each kind."""

    started: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    """Sessions that ended, and were made anew."""


class Rest:
    """Each call comes over a connection of its own, as those of many clients do."""

    def __init__(self, url: str, token: Token) -> None:
        self._new = lambda: httpx2.AsyncClient(base_url=url, headers=token, timeout=PATIENCE)

    async def search(self, _: str) -> None:
        found = await self._post("/search", {"query": "green gate", "limit": 1})
        if not found["results"]:
            raise Failed("nothing was found")

    async def store(self, name: str) -> None:
        _added_one(await self._post("/ingest", {"conversation_id": name, "content": TEXT}))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._new() as client:
            answer = await client.post(path, json=body)
        if answer.status_code != 200:
            raise Failed(f"{answer.status_code} {answer.text[:200]}")
        return dict(answer.json())


class Line:
    """A client of MCP with a connection or a session, as long as it has calls on it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.ended = False
        self._calls = 0
        self.idle = asyncio.Event()

    @contextmanager
    def call(self) -> Iterator[Client]:
        self._calls += 1
        try:
            yield self.client
        finally:
            self._calls -= 1
            self._settle()

    def end(self) -> bool:
        """Whether it had not ended before."""
        ended, self.ended = self.ended, True
        self._settle()
        return not ended

    def _settle(self) -> None:
        if self.ended and not self._calls:
            self.idle.set()


class Mcp:
    """A client of MCP, which connects again where its session has ended."""

    def __init__(self, connect: Connect, report: Report, *, kind: str) -> None:
        self._connect, self._report, self._kind = connect, report, kind
        self._line: Line | None = None
        self._opening = asyncio.Lock()
        self._lives: set[asyncio.Task[None]] = set()

    async def store(self, name: str) -> None:
        for _ in range(TRIES):
            try:
                return _added_one(await self._ingest(name))
            except MCPError as error:
                if self._kind == MODERN or error.error.message not in ENDED:
                    raise
        raise Failed("no session lasted as long as one call")

    async def close(self) -> None:
        if self._line is not None:
            self._line.end()
        await asyncio.gather(*self._lives)

    async def _ingest(self, name: str) -> dict[str, Any]:
        line = await self._open()
        try:
            with line.call() as client:
                messages = [{"text": TEXT}]
                result = await client.call_tool("ingest", {"conversation_id": name, "messages": messages})
        except MCPError:
            # Each call on a line is told of its end, which is one.
            self._report.ended[self._kind] += line.end()
            raise
        if result.is_error:
            raise Failed(str(result.content))
        return result.structured_content or {}

    async def _open(self) -> Line:
        async with self._opening:
            if self._line is None or self._line.ended:
                opened: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
                self._lives.add(asyncio.create_task(self._live(opened)))
                self._line = await opened
            return self._line

    async def _live(self, opened: "asyncio.Future[Line]") -> None:
        """A connection from its begin to its end, which are in one task."""
        try:
            async with self._connect() as client:
                await client.list_tools()
                line = Line(client)
                opened.set_result(line)
                await line.idle.wait()
        except (MCPError, httpx2.HTTPError, ExceptionGroup) as error:
            if not opened.done():
                opened.set_exception(_root(error))


def streamable(url: str, token: Token, era: str) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Client]:
        async with (
            httpx2.AsyncClient(headers=token, timeout=PATIENCE) as http,
            Client(
                streamable_http_client(f"{url}/mcp", http_client=http),
                mode=era,
                read_timeout_seconds=PATIENCE,
            ) as client,
        ):
            yield client

    return connect


def sse(url: str, token: Token, era: str) -> Connect:
    return lambda: Client(
        sse_client(f"{url}/sse", headers=token, timeout=PATIENCE), mode=era, read_timeout_seconds=PATIENCE
    )


class Load:
    """A call each so many seconds, each kind in its turn, until it is left; then all are waited for."""

    def __init__(self, url: str, tokens: Sequence[Token], *, every: float) -> None:
        self.report = Report()
        self._every = every
        rest = [Rest(url, token) for token in tokens]
        self._mcp = {
            kind: [Mcp(connect(url, token, era), self.report, kind=kind) for token in tokens]
            for kind, connect, era in (
                (MODERN, streamable, MODERN),
                (LEGACY, streamable, LEGACY),
                (SSE, sse, LEGACY),
                (NEWER_SSE, sse, MODERN),
            )
        }
        calls: dict[str, list[Call]] = {
            "search": [each.search for each in rest],
            "ingest": [each.store for each in rest],
            **{kind: [each.store for each in clients] for kind, clients in self._mcp.items()},
        }
        turns = zip(*calls.values(), strict=True)
        self._turns = [pair for turn in turns for pair in zip(calls, turn, strict=True)]
        self.stored: set[str] = set()

    async def __aenter__(self) -> Report:
        self._running = asyncio.create_task(self._run())
        return self.report

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        await asyncio.gather(*self._calls)
        await asyncio.gather(*(each.close() for clients in self._mcp.values() for each in clients))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._calls: list[asyncio.Task[None]] = []
        for number, (kind, call) in enumerate(itertools.cycle(self._turns)):
            await asyncio.sleep(begun + number * self._every - loop.time())
            self._calls.append(asyncio.create_task(self._made(kind, call, f"{kind} {number}")))

    async def _made(self, kind: str, call: Call, name: str) -> None:
        self.report.started[kind] += 1
        try:
            await call(name)
        except (Failed, MCPError, httpx2.HTTPError, ExceptionGroup, OSError) as error:
            self.report.failures.append(f"{name}: {error!r}")
        else:
            self.stored.add(name)


async def progress(report: Report, calls: int) -> None:
    """So many more calls of each kind are made."""
    goal = {kind: report.started[kind] + calls for kind in KINDS}

    async def reached() -> bool:
        return all(report.started[kind] >= number for kind, number in goal.items())

    await eventually(reached, within=PATIENCE)


async def assert_each_was_carried_out_once(load: Load, owner: asyncpg.Connection, *, besides: str) -> None:
    """What its callers were told is stored is what is stored, `besides` one conversation of before."""
    stored = {name for name in load.stored if not name.startswith("search")} | {besides}
    rows = await owner.fetch("SELECT conversation_id FROM conversation")
    assert {row["conversation_id"] for row in rows} == stored
    assert await owner.fetchval("SELECT count(*) FROM message") == len(stored)


def assert_sessions_ended(report: Report, *, at_most: int) -> None:
    """Of each kind that has any, some and no more than that; and none where there are none."""
    assert report.ended[MODERN] == 0
    assert 0 < report.ended[LEGACY] <= at_most
    assert 0 < report.ended[SSE] + report.ended[NEWER_SSE] <= 2 * at_most


def _root(error: Exception) -> Exception:
    """What it was that ended the tasks of a client."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _added_one(receipt: dict[str, Any]) -> None:
    if receipt.get("added") != 1:
        raise Failed(f"it was carried out before: {receipt}")
