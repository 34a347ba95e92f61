"""Each process is replaced by another while callers keep to their timetable, behind a real proxy."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from mcp_rag.postgres.database import Database
from tests.cli.command import PATIENCE
from tests.conftest import eventually
from tests.http.running import token
from tests.locks import in_flight, withheld
from tests.operations.fleet import Fleet
from tests.operations.load import (
    Load,
    Rest,
    Token,
    assert_each_was_carried_out_once,
    assert_sessions_ended,
    progress,
)
from tests.operations.proxy import Proxy

pytestmark = pytest.mark.operations

CALLERS = 4
EVERY = 0.1
"""Seconds between two calls."""


@pytest.fixture
async def tokens(database: Database) -> list[Token]:
    return [await token(database, name=f"caller {n}") for n in range(CALLERS)]


@pytest.fixture
async def fleet(tmp_path: Path, database_url: str) -> AsyncIterator[Fleet]:
    """Two processes."""
    async with AsyncExitStack() as stack:
        fleet = Fleet(tmp_path, database_url, stack)
        for name in ("a", "b"):
            await fleet.start(name)
        yield fleet


@pytest.fixture
async def proxy(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with Proxy(tmp_path / "nginx", fleet.ports) as proxy:
        yield proxy


async def replaced(fleet: Fleet, proxy: Proxy, owner: asyncpg.Connection, name: str, successor: str) -> None:
    """As an orchestrator does it: told to stop with calls in flight, taken out once it is not ready."""
    async with withheld(owner):
        await in_flight(owner, 8)
        leaving = fleet.serving.pop(name)
        leaving.tell()
        await eventually(leaving.is_leaving, within=PATIENCE)
        proxy.serve(fleet.ports)
    assert await leaving.ended() == 0
    await fleet.start(successor)
    proxy.serve(fleet.ports)


async def test_each_process_is_replaced_and_no_call_fails(
    fleet: Fleet, proxy: Proxy, tokens: list[Token], owner: asyncpg.Connection
) -> None:
    await Rest(proxy.url, tokens[0]).store("before")
    load = Load(proxy.url, tokens, every=EVERY)
    async with load as report:
        await progress(report, 4)
        for name, successor in (("a", "c"), ("b", "d")):
            await replaced(fleet, proxy, owner, name, successor)
            await progress(report, 4)
    print(report.started, report.ended)
    assert report.failures == []
    await assert_each_was_carried_out_once(load, owner, besides="before")
    # Who has a session loses it with its process: once for each that it may have been in.
    assert_sessions_ended(report, at_most=2 * CALLERS)


async def test_a_process_that_is_killed_loses_calls_and_the_load_notices(
    fleet: Fleet, proxy: Proxy, tokens: list[Token], owner: asyncpg.Connection
) -> None:
    await Rest(proxy.url, tokens[0]).store("before")
    async with Load(proxy.url, tokens, every=EVERY) as report:
        await progress(report, 2)
        async with withheld(owner):
            await in_flight(owner, 12)
            killed = fleet.serving.pop("a")
            killed.process.kill()
            await killed.ended()
            proxy.serve(fleet.ports)
        await progress(report, 2)
    assert report.failures
