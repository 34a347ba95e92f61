"""The pipe as its client sees it: a process with a stdin and a stdout."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import psutil
import pytest

from mcp_rag import rendezvous

from .household import INITIALIZE, PIPE, SECONDS, Household, Talk, eventually, request, value

MEGABYTE = 1024 * 1024
CONSOLE = [sys.executable, "-m", "mcp_rag", "stdio"]


def leave(talk: Talk) -> tuple[int, bytes, bytes]:
    """Close stdin; the exit status, and the rest of stdout and stderr."""
    out, err = talk.process.communicate(timeout=SECONDS)
    return talk.process.returncode, out, err


class ScriptedResident:
    """The resident's end of the pipe, in the hands of the test."""

    def __init__(self, household: Household) -> None:
        lock = rendezvous.claim(household.place)
        assert lock is not None
        self.lock = lock
        self.listener = rendezvous.listen(household.place)
        self.listener.settimeout(SECONDS)

    @contextlib.contextmanager
    def connection(self) -> Iterator["Link"]:
        with self.listener.accept()[0] as link, link.makefile("rb") as lines:
            link.settimeout(SECONDS)
            yield Link(link, lines)


class Link:
    def __init__(self, link: socket.socket, lines: BinaryIO) -> None:
        self.link = link
        self.lines = lines

    def hear(self) -> dict[str, Any]:
        return dict(json.loads(self.lines.readline()))

    def say(self, message: dict[str, Any]) -> None:
        self.link.sendall(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


@pytest.fixture
def scripted(household: Household) -> Iterator[ScriptedResident]:
    resident = ScriptedResident(household)
    yield resident
    resident.listener.close()
    os.close(resident.lock)


def test_help_is_printed_without_a_heavy_import(household: Household) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *CONSOLE[1:], "--help"],
        env=household.environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("Usage: mcp-rag stdio")
    imported = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines()}
    assert "mcp_rag.pipe" in imported
    assert not imported & {"asyncio", "pydantic", "mcp", "typer", "argparse", "inspect", "logging"}


def test_an_unknown_option_is_refused(household: Household) -> None:
    with household.talk("--nonsense", command=CONSOLE) as talk:
        status, out, err = leave(talk)

    assert (status, out) == (2, b"")
    assert b"unknown option --nonsense" in err


def test_an_unsafe_folder_is_refused_in_one_line(household: Household) -> None:
    (household.folder / "mcp-rag").mkdir()
    (household.folder / "mcp-rag").chmod(0o755)
    with household.talk() as talk:
        status, out, err = leave(talk)

    assert (status, out) == (1, b"")
    assert b"chmod 700" in err and err.count(b"\n") == 1


def test_a_client_that_says_nothing_starts_nothing(household: Household) -> None:
    with household.talk() as talk:
        assert leave(talk) == (0, b"", b"")

    assert household.residents() == []


def test_what_was_asked_before_stdin_closed_is_answered(settled: Household) -> None:
    messages = [
        request("initialize", 0, **INITIALIZE),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request("tools/call", "a", name="echo", arguments={"text": "hello"}),
    ]
    # The last line lacks its newline.
    script = b"\n".join(json.dumps(each).encode() for each in messages)
    done = subprocess.run(
        PIPE, env=settled.environment, input=script, capture_output=True, timeout=SECONDS, check=True
    )

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["id"] for each in answers] == [0, "a"]
    assert value(answers[1]) == "hello"
    assert done.stderr == b""


def test_megabytes_pass_whole_both_ways(settled: Household) -> None:
    text = 'ä\\"\n' * (2 * MEGABYTE)
    with settled.talk() as talk:
        talk.initialize()
        answer = talk.call("echo", 1, text=text)

    assert value(answer) == text


def test_the_pipe_is_small(settled: Household) -> None:
    with settled.talk() as talk:
        talk.initialize()
        talk.call("pid", 1)

        assert psutil.Process(talk.process.pid).memory_info().rss < 20 * MEGABYTE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_without_a_word(settled: Household, number: signal.Signals) -> None:
    with settled.talk() as talk:
        talk.initialize()
        talk.say(request("tools/call", 1, name="wait_for", arguments={"path": str(settled.folder / "no")}))
        talk.process.send_signal(number)

        assert talk.process.wait(SECONDS) == 0
        assert talk.process.stderr and talk.process.stderr.read() == b""


def test_it_leaves_when_nobody_reads_its_answers(settled: Household) -> None:
    with settled.talk() as talk:
        talk.initialize()
        assert talk.process.stdout
        talk.process.stdout.close()

        assert talk.process.wait(SECONDS) == 0
        assert talk.process.stderr and talk.process.stderr.read() == b""
        talk.process.stdout = None


def test_it_stops_the_resident_on_exit_where_told_to(household: Household) -> None:
    with household.talk("--stop-resident-on-exit") as talk:
        talk.initialize()
        assert leave(talk)[0] == 0

    assert not rendezvous.is_held(household.place)
    assert not os.path.exists(household.place.socket)


def test_it_leaves_the_resident_running_otherwise(settled: Household) -> None:
    with settled.talk() as talk:
        talk.initialize()
        assert leave(talk)[0] == 0

    assert rendezvous.resident_pid(settled.place)


def test_a_resident_that_refuses_to_start_is_quoted(household: Household) -> None:
    household.environment["SAMPLE_REFUSAL"] = "MCP_RAG_PORT: not a number."
    with household.talk() as talk:
        answer = talk.ask("initialize", 0, **INITIALIZE)
        status, out, err = leave(talk)

    assert "MCP_RAG_PORT: not a number." in answer["error"]["message"]
    assert (status, out) == (1, b"")
    assert b"did not start" in err and b"MCP_RAG_PORT: not a number." in err
    assert b"Traceback" not in err


def test_a_command_that_cannot_be_run_is_reported(household: Household) -> None:
    script = "import sys; from mcp_rag import pipe; sys.exit(pipe.main([], resident=['/does/not/exist']))"
    with household.talk(command=[sys.executable, "-c", script]) as talk:
        answer = talk.ask("initialize", 0, **INITIALIZE)
        status, _, err = leave(talk)

    assert "cannot be started" in answer["error"]["message"]
    assert status == 1 and b"cannot be started" in err


def test_a_request_that_kills_every_resident_is_answered_with_an_error(household: Household) -> None:
    with household.talk() as talk:
        talk.initialize()
        answer = talk.call("crash", "deadly")
        status, out, err = leave(talk)

    assert answer["id"] == "deadly"
    assert "died 3 times" in answer["error"]["message"]
    assert (status, out) == (1, b"") and b"died 3 times" in err


def test_half_a_line_never_reaches_the_client(household: Household, scripted: ScriptedResident) -> None:
    with household.talk() as talk:
        talk.say(request("ping", 1))
        with scripted.connection() as link:
            link.hear()
            link.link.sendall(b'{"jsonrpc": "2.0", "id": 1, "result": {"half"')
        with scripted.connection() as link:
            assert link.hear()["id"] == 1
            link.say({"id": 1, "result": {"whole": True}})

            assert talk.hear()["result"] == {"whole": True}


def test_another_resident_hears_the_handshake_again_and_the_client_does_not(
    household: Household, scripted: ScriptedResident
) -> None:
    with household.talk() as talk:
        talk.say(request("initialize", 0, **INITIALIZE))
        with scripted.connection() as link:
            link.hear()
            link.say({"id": 0, "result": {"first": True}})
            assert talk.hear()["result"] == {"first": True}
            talk.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
            talk.say(request("tools/call", 1))
            assert [link.hear()["method"] for _ in range(2)] == ["notifications/initialized", "tools/call"]
        with scripted.connection() as link:
            again = [link.hear()["method"] for _ in range(3)]
            link.say({"id": 0, "result": {"second": True}})
            link.say({"id": 1, "result": {}})

            assert again == ["initialize", "notifications/initialized", "tools/call"]
            assert talk.hear()["id"] == 1


def test_a_resident_that_is_lost_while_nothing_is_asked_is_not_missed_until_then(
    household: Household, scripted: ScriptedResident
) -> None:
    with household.talk() as talk:
        talk.say(request("ping", 1))
        with scripted.connection() as link:
            link.hear()
            link.say({"id": 1, "result": {}})
            talk.hear()
        pipe = psutil.Process(talk.process.pid)
        eventually(lambda: not pipe.net_connections("unix"))

        talk.say(request("ping", 2))
        with scripted.connection() as link:
            assert link.hear()["id"] == 2


def test_a_slow_start_does_not_stop_the_client_from_writing(
    household: Household, scripted: ScriptedResident
) -> None:
    rendezvous.withdraw(household.place)
    with household.talk() as talk:
        for number in range(100):
            talk.say(request("ping", number, padding="x" * 5000))
        with rendezvous.listen(household.place) as listener:
            scripted.listener.close()
            scripted.listener = listener
            listener.settimeout(SECONDS)
            with scripted.connection() as link:
                assert [link.hear()["id"] for _ in range(100)] == list(range(100))


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="needs a process namespace")
def test_as_process_1_it_stops_the_resident_before_it_leaves(household: Household) -> None:
    with household.talk(command=["unshare", "--pid", "--fork", *PIPE]) as talk:
        talk.initialize()
        assert os.path.exists(household.place.socket)
        assert leave(talk)[0] == 0

    assert not os.path.exists(household.place.socket)
