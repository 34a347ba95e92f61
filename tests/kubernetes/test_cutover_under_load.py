"""Callers keep to their timetable while the scripts send them from one colour to the other, and back."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from mcp_rag.postgres.database import Database
from tests.cli.command import PATIENCE
from tests.conftest import eventually
from tests.http.running import token
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import Fault
from tests.kubernetes.conftest import Run
from tests.kubernetes.manifests import COLOURS
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

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("load")]

PRODUCTION = "production"
CALLERS = 4
EVERY = 0.1
"""Seconds between two calls."""
IN_FLIGHT = 8
POOL = 16
"""Connections of a process. Two leave while two come, and the database has 100."""
ROLLBACK = ("rollback.sh", "-n", PRODUCTION, "-d", "mcp-backend")


class Machines:
    """What is below a cluster: a proxy that leads to who serves, and a process for the pods of a colour.

    Where the pods of a colour are replaced, its process is told to stop, and another started.
    """

    def __init__(self, cluster: Cluster, fleet: Fleet, proxy: Proxy) -> None:
        self._cluster, self._fleet, self._proxy = cluster, fleet, proxy
        self._serving: set[str] = set()
        self.told = asyncio.Event()
        """A process was told to stop, for the first time."""
        self.replaced: list[str] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lead())
            tasks.create_task(self._keep())

    async def _lead(self) -> None:
        async for _, endpoints in self._watch("endpoints", fieldSelector="metadata.name=mcp-backend"):
            addresses = [each for subset in endpoints["subsets"] for each in subset["addresses"]]
            pods = [each["targetRef"]["name"] for each in addresses]
            self._serving = {colour for colour in COLOURS if any(f"-{colour}-" in pod for pod in pods)}
            self._serve()

    async def _keep(self) -> None:
        known: dict[str, str] = {}
        async for happened, pod in self._watch("pods", labelSelector="app=mcp-backend"):
            labels = pod["metadata"]["labels"]
            colour, revision = labels["version"], labels["pod-template-hash"]
            if happened == "ADDED" and known.setdefault(colour, revision) != revision:
                known[colour] = revision
                await self._replace(colour)

    async def _replace(self, colour: str) -> None:
        leaving = self._fleet.serving[colour]
        leaving.tell()
        self.told.set()
        successor = await self._fleet.start(colour, MCP_RAG_REVISION=colour)
        self._cluster.processes[colour] = successor.port
        self._serve()
        assert await leaving.ended() == 0
        self.replaced.append(colour)

    def _serve(self) -> None:
        self._proxy.serve({colour: self._fleet.ports[colour] for colour in self._serving})

    async def _watch(self, plural: str, **chosen: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """What happened, and to what."""
        path = f"http://127.0.0.1:{self._cluster.port}/api/v1/namespaces/{PRODUCTION}/{plural}"
        async with (
            httpx2.AsyncClient(timeout=None) as client,
            client.stream("GET", path, params={"watch": "1", **chosen}) as answer,
        ):
            async for line in answer.aiter_lines():
                event = json.loads(line)
                yield event["type"], event["object"]


@pytest.fixture
async def tokens(database: Database) -> list[Token]:
    return [await token(database, name=f"caller {n}") for n in range(CALLERS)]


@pytest.fixture
async def fleet(tmp_path: Path, database_url: str) -> AsyncIterator[Fleet]:
    """Both colours."""
    home = tmp_path / "machines"
    home.mkdir()
    async with AsyncExitStack() as stack:
        fleet = Fleet(home, database_url, stack, pool=POOL)
        for colour in COLOURS:
            await fleet.start(colour, MCP_RAG_REVISION=colour)
        yield fleet


@pytest.fixture
async def proxy(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with Proxy(tmp_path / "nginx", {"blue": fleet.ports["blue"]}) as proxy:
        yield proxy


@pytest.fixture
async def machines(cluster: Cluster, fleet: Fleet, proxy: Proxy) -> AsyncIterator[Machines]:
    cluster.processes |= fleet.ports
    made = Machines(cluster, fleet, proxy)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


class Operator:
    """Types commands, and waits until they have ended well."""

    def __init__(self, run: Run, proxy: Proxy, cluster: Cluster, secret: str) -> None:
        preview = cluster.services[PRODUCTION, "mcp-backend-preview"]
        self._run = run
        self._environment = {
            "SERVICE_URL": proxy.url,
            "PREVIEW_URL": f"http://127.0.0.1:{preview}",
            "API_TOKEN": secret,
            "VERIFY_SECONDS": "30",
            "ROLLOUT_SECONDS": "60",
        }

    async def type(self, *command: str) -> None:
        done = await asyncio.to_thread(self._run, *command, **self._environment)
        assert done.code == 0


@pytest.fixture
async def operator(run: Run, proxy: Proxy, cluster: Cluster, database: Database) -> Operator:
    headers = await token(database, name="operator")
    return Operator(run, proxy, cluster, headers["Authorization"].removeprefix("Bearer "))


def held_at(cluster: Cluster, request: str) -> tuple[asyncio.Event, Callable[[], None]]:
    """A request to the cluster waits: what is set when it has come, and what lets it go on."""
    come, go, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def wait() -> None:
        loop.call_soon_threadsafe(come.set)
        assert go.wait(PATIENCE)

    cluster.faults.requests.append(Fault(request, status=200, meanwhile=wait))
    return come, go.set


async def test_nobody_notices_a_cutover_or_the_way_back(
    cluster: Cluster,
    machines: Machines,
    operator: Operator,
    proxy: Proxy,
    tokens: list[Token],
    owner: asyncpg.Connection,
) -> None:
    await Rest(proxy.url, tokens[0]).store("before")
    turning, go_on = held_at(cluster, "PATCH .*/services/mcp-backend(\\?|$)")
    load = Load(proxy.url, tokens, every=EVERY)
    async with load as report, asyncio.TaskGroup() as tasks:
        await progress(report, 4)
        cutover = tasks.create_task(operator.type("cutover.sh", "--to", "green"))
        await turning.wait()
        # Calls are in flight while the service is turned, and when their process is told to stop.
        async with withheld(owner):
            await in_flight(owner, IN_FLIGHT)
            go_on()
            await machines.told.wait()
        await cutover
        await eventually(lambda: replaced(machines, ["blue"]), within=PATIENCE)
        await progress(report, 4)
        await operator.type(*ROLLBACK)
        await eventually(lambda: replaced(machines, ["blue", "green"]), within=PATIENCE)
        await progress(report, 4)
    assert report.failures == []
    await assert_each_was_carried_out_once(load, owner, besides="before")
    # Who has a session loses it with each turn.
    assert_sessions_ended(report, at_most=2 * CALLERS)


async def replaced(machines: Machines, colours: list[str]) -> bool:
    return machines.replaced == colours


async def test_a_service_that_is_turned_to_who_is_not_there_loses_calls_and_the_load_notices(
    cluster: Cluster, machines: Machines, fleet: Fleet, proxy: Proxy, tokens: list[Token]
) -> None:
    await Rest(proxy.url, tokens[0]).store("before")
    fleet.serving["green"].process.kill()
    async with Load(proxy.url, tokens, every=EVERY) as report:
        await progress(report, 2)
        cluster.update(
            "services", PRODUCTION, "mcp-backend", lambda it: it["spec"]["selector"].update(version="green")
        )
        await progress(report, 4)
        # Whoever has a stream there waits on it otherwise.
        fleet.serving["blue"].process.kill()
    assert report.failures
