"""Clients of the TypeScript SDK whose calls take longer than they wait without a word."""

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.conformance.running import SDKS, Steps, reached, started
from tests.locks import withheld
from tests.resident.household import SECONDS, Household
from tests.serve_process import Serving

pytestmark = pytest.mark.conformance

PATIENCE = 3
"""Seconds without a word after which a client gives a call up."""
TIMES = 3
"""Calls that it gives up, one after another, while another of its calls waits."""
TOOLS = ("ingest", "ask")
GAVE_UP = {"v1": -32001, "v2": "REQUEST_TIMEOUT"}
CLIENTS = {
    f"{sdk}-{mode}-{transport}": (sdk, mode, revision, transport)
    for sdk, mode, revision in SDKS
    for transport in ("http", "sse", "stdio")
}


@pytest.fixture(scope="module")
def steps(shared: str, serving: Serving, household: Household) -> Steps:
    """All clients at once: a test of its own for each would wait as long as all of them."""
    clients = {
        name: {
            "sdk": sdk, "mode": mode, "server": reached(serving, household, transport), "calls": calls(name),
        }
        for name, (sdk, mode, _, transport) in CLIENTS.items()
    }  # fmt: skip
    told = {"clients": clients, "patience": 1000 * PATIENCE, "times": TIMES}
    return asyncio.run(held_up(shared, told))


def calls(name: str) -> list[tuple[str, dict[str, Any]]]:
    note = {"conversation_id": f"waiting-{name}", "content": "The dodo is in the attic."}
    return list(zip(TOOLS, (note, {"question": "Where is the dodo?"}), strict=True))


async def held_up(url: str, told: dict[str, Any]) -> Steps:
    """What the clients said whose calls could go on only when each of them had given up for good."""
    owner = await asyncpg.connect(url)
    async with asyncio.timeout(SECONDS), started("node", "wait.mjs", json.dumps(told)) as process:
        lines = [line async for line in said(process, "ready")]
        async with withheld(owner, "LOCK TABLE passage"):
            assert process.stdin
            process.stdin.write(b"\n")
            lines += [line async for line in said(process, "gave up for good", len(CLIENTS) * len(TOOLS))]
        lines += [line async for line in said(process)]
        assert await process.wait() == 0
    await owner.close()
    return Steps(lines)


async def said(process: Process, until: str | None = None, times: int = 1) -> AsyncIterator[bytes]:
    """Its lines, up to the one that is so many times such a step."""
    assert process.stdout
    async for line in process.stdout:
        yield line
        times -= json.loads(line)["step"] == until
        if not times:
            return


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_client_waits_for_as_long_as_it_hears_of_its_call_and_gives_up_one_of_which_it_hears_nothing(
    steps: Steps, name: str, tool: str
) -> None:
    sdk, _, revision, _ = CLIENTS[name]
    (connected,) = steps.every("connected", client=name)
    assert connected.get("revision") == revision
    gave_up = steps.every("gave up", client=name, tool=tool)
    assert [each["code"] for each in gave_up] == [GAVE_UP[sdk]] * TIMES
    (result,) = steps.every("result", client=name, tool=tool)
    assert (result["isError"], result.get("code")) == (False, None)
    assert len(steps.every("heard", client=name, tool=tool)) >= TIMES
