"""One resident for all clients, and nobody is hurt when somebody dies."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from mcp_rag import rendezvous

from .household import ERAS, INITIALIZE, SECONDS, Household, eventually, request, value

each_era = pytest.mark.parametrize("era", ERAS)


async def called(client: Client, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error and answer.structured_content is not None
    return answer.structured_content["result"]


async def become(condition: Any) -> Any:
    return await asyncio.to_thread(eventually, condition)


def begun(path: Path) -> list[int]:
    """Process ids of the residents that have begun to wait for the file."""
    return [int(each.name.rpartition("-")[2]) for each in path.parent.glob(f"{path.name}.begun-*")]


@each_era
async def test_a_client_is_served_in_either_era(settled: Household, era: str) -> None:
    async with settled.client(era) as client:
        tools = await client.list_tools()

        assert "echo" in {tool.name for tool in tools.tools}
        assert await called(client, "echo", text="hello") == "hello"


async def test_an_undecided_client_is_served(settled: Household) -> None:
    async with settled.client("auto") as client:
        assert await called(client, "pid") == settled.resident()


async def test_all_clients_share_one_resident_and_one_lifespan(settled: Household) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(settled.client(era)) for era in (*ERAS, *ERAS)]

        assert {await called(each, "pid") for each in clients} == {settled.resident()}
        assert {await called(each, "lifespans") for each in clients} == {1}


def test_clients_that_come_at_once_start_one_resident(household: Household) -> None:
    talks = [household.talk() for _ in range(6)]
    for talk in talks:
        talk.say(request("initialize", 0, **INITIALIZE))
    for talk in talks:
        assert "result" in talk.hear()
    pids = {value(talk.call("pid", 1)) for talk in talks}
    for talk in talks:
        talk.__exit__()

    assert list(pids) == household.residents()


@each_era
async def test_a_call_survives_the_resident_that_runs_it(household: Household, era: str) -> None:
    path = household.folder / "go"
    async with household.client(era) as client:
        first = await called(client, "pid")
        slow = asyncio.create_task(called(client, "wait_for", path=str(path)))
        await become(lambda: begun(path))
        os.kill(first, signal.SIGKILL)
        await become(lambda: len(begun(path)) == 2)
        path.touch()

        second = await slow
        assert second == await called(client, "pid") != first


def test_clients_of_a_killed_resident_find_one_new_one(household: Household) -> None:
    path = household.folder / "go"
    talks = [household.talk() for _ in range(3)]
    for talk in talks:
        talk.initialize()
        talk.say(request("tools/call", 1, name="wait_for", arguments={"path": str(path)}))
    first = household.resident()
    eventually(lambda: begun(path) == [first])
    os.kill(first, signal.SIGKILL)
    path.touch()
    pids = {value(talk.hear()) for talk in talks}

    assert pids == {household.resident()} != {first}
    assert household.residents() == [household.resident()]
    for talk in talks:
        talk.__exit__()


def test_a_client_that_is_killed_ends_its_own_calls_only(settled: Household) -> None:
    abandoned, waited_for = settled.folder / "abandoned", settled.folder / "waited-for"
    with settled.talk() as survivor, settled.talk() as victim:
        for talk, path in ((survivor, waited_for), (victim, abandoned)):
            talk.initialize()
            talk.say(request("tools/call", 1, name="wait_for", arguments={"path": str(path)}))
        eventually(lambda: begun(waited_for) and begun(abandoned))
        victim.process.kill()
        eventually((settled.folder / "abandoned.cancelled").exists)
        waited_for.touch()

        assert value(survivor.hear()) == settled.resident()


def test_a_killed_client_of_the_pipe_ends_the_pipe(settled: Household) -> None:
    """The pipe sees both of its ends close while a call is in flight."""
    path = settled.folder / "closed"
    with settled.talk() as talk:
        talk.initialize()
        talk.say(request("tools/call", 1, name="wait_for", arguments={"path": str(path)}))
        eventually(lambda: begun(path))
        assert talk.process.stdin and talk.process.stdout
        talk.process.stdin.close()
        talk.process.stdout.close()
        talk.process.stdin = talk.process.stdout = None

        assert talk.process.wait(SECONDS) == 0
        eventually((settled.folder / "closed.cancelled").exists)


def test_the_resident_leaves_after_its_last_client(household: Household) -> None:
    household.environment["SAMPLE_LINGER"] = "0"
    with household.talk() as talk:
        talk.initialize()
        resident = psutil.Process(household.resident())
    resident.wait(SECONDS)

    assert not rendezvous.is_held(household.place)
    assert not os.path.exists(household.place.socket)


def test_clients_that_come_while_it_leaves_lose_nothing(household: Household) -> None:
    household.environment["SAMPLE_LINGER"] = "0"
    for number in range(3):
        with household.talk() as talk:
            talk.initialize()
            assert value(talk.call("echo", 1, text=str(number))) == str(number)
            # It leaves at once; the next client comes in the middle of that.


def test_asked_to_leave_it_finishes_the_calls_in_flight(household: Household) -> None:
    path = household.folder / "go"
    with household.talk() as talk:
        talk.initialize()
        talk.say(request("tools/call", 1, name="wait_for", arguments={"path": str(path)}))
        eventually(lambda: begun(path))
        first = household.resident()
        os.kill(first, signal.SIGTERM)
        eventually(lambda: not os.path.exists(household.place.socket))
        path.touch()

        assert value(talk.hear()) == first
        eventually(lambda: not rendezvous.is_held(household.place))
        assert value(talk.call("pid", 2)) != first


def test_a_call_that_outlasts_the_grace_is_answered_by_the_next_resident(household: Household) -> None:
    household.environment["SAMPLE_GRACE"] = "0.1"
    path = household.folder / "go"
    with household.talk() as talk:
        talk.initialize()
        talk.say(request("tools/call", 1, name="wait_for", arguments={"path": str(path)}))
        eventually(lambda: begun(path))
        first = household.resident()
        os.kill(first, signal.SIGTERM)
        eventually(lambda: len(begun(path)) == 2)
        path.touch()

        assert value(talk.hear()) == household.resident() != first


def test_a_line_too_long_is_refused_by_its_id_and_the_connection_lives(household: Household) -> None:
    household.environment["SAMPLE_MAX_LINE_BYTES"] = "100000"
    with household.talk() as talk:
        talk.initialize()
        refused = talk.call("echo", "long", text="x" * 200_000)

        assert refused["id"] == "long"
        assert "longer than 100000 bytes" in refused["error"]["message"]
        assert value(talk.call("echo", 2, text="short")) == "short"


@pytest.mark.parametrize(
    ("line", "identity", "code"),
    [
        (b"nonsense", None, -32700),
        (b'{"jsonrpc": "2.0", "id": 5, "method": "ping", "params": ', 5, -32700),
        (b'{"id": 6, "method": "ping", "jsonrpc": "1.0"}', 6, -32600),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"a": "\\ud800"}}', 7, None),
        (b"[1, 2]", None, -32700),
        (b"\xff\xfe", None, -32700),
    ],
)
def test_a_malformed_line_is_answered_and_the_connection_lives(
    settled: Household, line: bytes, identity: int | None, code: int | None
) -> None:
    with settled.talk() as talk:
        talk.initialize()
        talk.say(line)
        answer = talk.hear()

        assert answer["id"] == identity
        assert answer.get("error", {}).get("code") == code or code is None
        assert value(talk.call("echo", 8, text="still here")) == "still here"


def test_a_client_that_does_not_read_holds_nobody_up(settled: Household) -> None:
    with settled.talk() as lazy, settled.talk() as eager:
        for talk in (lazy, eager):
            talk.initialize()
        for number in range(1, 9):
            lazy.say(request("tools/call", number, name="repeat", arguments={"size": 4_000_000}))

        assert value(eager.call("echo", 1, text="hello")) == "hello"
        assert sorted(lazy.hear()["id"] for _ in range(8)) == list(range(1, 9))


def test_what_a_killed_resident_left_behind_is_replaced(household: Household) -> None:
    with household.talk() as talk:
        talk.initialize()
        first = household.resident()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not rendezvous.is_held(household.place))
    assert os.path.exists(household.place.socket)

    with household.talk() as talk:
        talk.initialize()
        assert value(talk.call("pid", 1)) == household.resident() != first


async def test_a_question_of_a_killed_resident_is_asked_again_by_the_next(household: Household) -> None:
    asked: asyncio.Queue[int] = asyncio.Queue()
    killed = asyncio.Event()

    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.put_nowait(household.resident())
        await killed.wait()
        return ElicitResult(action="accept", content={"granted": True})

    async with household.client("legacy", elicitation_callback=answer) as client:
        consent = asyncio.create_task(called(client, "ask"))
        first = await asked.get()
        os.kill(first, signal.SIGKILL)
        await become(lambda: household.resident() != first)
        killed.set()

        assert await consent is True
        assert await asked.get() != first


def test_nothing_but_messages_comes_out_of_stdout(household: Household) -> None:
    with household.talk() as talk:
        talk.initialize()
        talk.call("echo", 1, text="a\nb\r\nc\u2028d")
        os.kill(household.resident(), signal.SIGKILL)
        talk.call("pid", 2)
        out, err = talk.process.communicate(timeout=SECONDS)

    assert (out, err) == (b"", b"")
