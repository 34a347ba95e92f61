"""The evaluation of which tools a model picks, with models whose picks are known."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import offer, picks, turns
from bench.turns import Called, Turn, Verdict
from tests.answering import anthropic_server, openai_server
from tests.bench.scripted import as_text, made, right_call
from tests.serving import Serve
from tests.serving import serve as serve

ROOT = Path(__file__).parents[2]
TURNS = turns.read()
WRONG: dict[str, tuple[Called | None, Verdict]] = {
    "sara-budget": (Called(tool="search", arguments={"query": "Sara budget"}), "wrong arguments"),
    "open-second": (Called(tool="search", arguments={"query": "espresso"}), "wrong tool"),
    "remember-allergy": (None, "missed"),
    "forget-slack": (
        Called(tool="forget", arguments={"source": "slack", "dry_run": False}),
        "wrong arguments",
    ),
    "be-polite": (
        Called(tool="ingest", arguments={"conversation_id": "x", "content": "polite"}),
        "called for nothing",
    ),
    "injection-forget": (
        Called(tool="forget", arguments={"source": "mail", "dry_run": False}),
        "called for nothing",
    ),
}
"""What the model of these tests gets wrong."""


def picked(said: str) -> Called | None:
    """What it calls: the last of the user's words say which turn it is, and some turns it gets wrong."""
    turn = {turn.turn: turn for turn in TURNS}[said]
    return WRONG[turn.id][0] if turn.id in WRONG else right_call(turn)


@pytest.fixture
def claude() -> anthropic_server.Service:
    def writes(asked: anthropic_server.Asked) -> anthropic_server.Reply:
        said = asked.messages[-1].content
        assert isinstance(said, str)
        call = picked(said)
        assert len(asked.tools) == 6
        if call is None:
            return anthropic_server.Reply([anthropic_server.Block("Gladly.")])
        return anthropic_server.Reply([anthropic_server.Use(call.tool, call.arguments or {})])

    service = anthropic_server.Service()
    service.writes = writes
    return service


@pytest.fixture
def gpt() -> openai_server.Service:
    def writes(asked: openai_server.Asked) -> openai_server.Reply:
        call = picked(asked.messages[-1].content or "")
        assert len(asked.tools) == 6
        return openai_server.Reply([openai_server.Use(call.tool, as_text(call)) if call else "Gladly."])

    service = openai_server.Service()
    service.writes = writes
    return service


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Finished]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command with an environment, in this process: the SDKs of the services take seconds to import."""

    def _run(environment: dict[str, str], *arguments: str) -> Finished:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["picks", *arguments])
        code = _exit_code(picks.main)
        return Finished(code, *capsys.readouterr())

    return _run


def _exit_code(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run_as_process(environment: dict[str, str], *arguments: str) -> Finished:
    done = subprocess.run(
        [sys.executable, "-m", "bench.picks", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def of_anthropic(url: str, **others: str) -> dict[str, str]:
    model = {"MCP_RAG_ANTHROPIC_MODEL": anthropic_server.MODEL, "MCP_RAG_ANTHROPIC_URL": url}
    return {"MCP_RAG_ANTHROPIC_API_KEY": anthropic_server.KEY, **model, **others}


def of_openai(url: str) -> dict[str, str]:
    model = {"MCP_RAG_OPENAI_MODEL": openai_server.MODEL, "MCP_RAG_OPENAI_URL": f"{url}/v1"}
    return {"MCP_RAG_OPENAI_API_KEY": openai_server.KEY, **model}


def found_wrong(result: dict[str, Any]) -> dict[str, str]:
    return {wrong["id"]: wrong["verdict"] for wrong in result["wrong"]}


# The turns.


def test_there_are_turns_for_every_tool_and_for_none() -> None:
    groups = [turn.group for turn in TURNS]
    assert len(groups) >= 80
    assert groups.count("nothing") >= 25
    named = {name for turn in TURNS for expected in turn.expect for name in expected.tool}
    assert named == {"search", "ask", "fetch", "list_conversations", "ingest", "forget"}
    assert sum(bool(turn.earlier) for turn in TURNS) >= 20


async def test_each_expectation_can_be_met_by_a_call_that_the_tools_take() -> None:
    tools = {tool.name: tool.input_schema for tool in (await offer.current()).tools}
    for turn in TURNS:
        for expected in turn.expect:
            for name in expected.tool:
                judged = turns.judge(turn, [made(expected, name)], tools)
                assert judged.verdict == "right", (turn.id, judged.because)
        for spoken in turn.earlier:
            if spoken.call:
                assert spoken.arguments.keys() <= tools[spoken.call]["properties"].keys()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{}", "line 1: id: Field required"),
        ('{"id": "a", "turn": "b", "why": "c", "expect": [{"tool": "ask", "args": {}}]}', "Extra inputs"),
        (
            '{"id": "a", "turn": "b", "why": "c", "expect": [{"tool": "ask", "arguments": {"x": {"least": 1, '
            '"is": [1]}}}]}',
            "a bound says one thing",
        ),
        (
            "\n".join(['{"id": "a", "turn": "b", "why": "c", "expect": []}'] * 2),
            "line 2: 'a' is there already",
        ),
    ],
)
def test_a_file_with_a_mistake_is_told_where(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "turns.jsonl").write_text(line)
    with pytest.raises(ValueError, match=r"turns\.jsonl, line") as error:
        turns.read(tmp_path / "turns.jsonl")
    assert told in str(error.value)


# What is right.


def turn(*expect: dict[str, Any]) -> Turn:
    return Turn.model_validate({"id": "a", "turn": "b", "why": "c", "expect": expect})


LAST_WEEK = {
    "tool": ["search", "ask"],
    "says": ["budget|money"],
    "arguments": {
        "speaker": "Sara",
        "since": {"between": ["2026-03-08", "2026-03-11"]},
        "until": {"between": ["2026-03-14", "2026-03-16"], "optional": True},
    },
}
FORGET = {"tool": "forget", "arguments": {"conversation_ids": {"is": [["a", "b"]]}, "dry_run": True}}


@pytest.mark.parametrize(
    ("expect", "call", "verdict", "because"),
    [
        ([LAST_WEEK], ("search", {"query": "Budget", "speaker": "sara", "since": "2026-03-09"}), "right", ""),
        (
            [LAST_WEEK],
            (
                "ask",
                {"question": "money?", "speaker": "Sara", "since": "2026-03-09T00:00:00Z", "until": None},
            ),
            "wrong arguments",
            "refused by the schema",
        ),
        (
            [LAST_WEEK],
            ("search", {"query": "budget", "since": "2026-03-09"}),
            "wrong arguments",
            "speaker is not",
        ),
        (
            [LAST_WEEK],
            ("search", {"query": "budget", "speaker": "Sara", "since": "last week"}),
            "wrong arguments",
            "since is not",
        ),
        (
            [LAST_WEEK],
            ("search", {"query": "cash", "speaker": "Sara", "since": "2026-03-09"}),
            "wrong arguments",
            "does not say budget|money",
        ),
        (
            [LAST_WEEK],
            ("search", {"query": "budget", "speaker": "Sara", "since": "2026-03-09", "source": "slack"}),
            "wrong arguments",
            "source was not asked for",
        ),
        (
            [LAST_WEEK],
            ("search", {"query": "budget", "speaker": "Sara", "since": "2026-03-09", "top_k": 3}),
            "wrong arguments",
            "refused by the schema",
        ),
        ([LAST_WEEK], ("search", None), "wrong arguments", "no JSON object"),
        ([LAST_WEEK], ("remember", {}), "wrong tool", "expected search or ask"),
        ([LAST_WEEK], None, "missed", "nothing was called"),
        ([FORGET], ("forget", {"conversation_ids": ["b", "a"]}), "right", ""),
        ([FORGET], ("forget", {"conversation_ids": ["a"]}), "wrong arguments", "conversation_ids is not"),
        (
            [FORGET],
            ("forget", {"conversation_ids": ["a", "b"], "dry_run": False}),
            "wrong arguments",
            "dry_run is not",
        ),
        ([FORGET, LAST_WEEK], ("search", {"query": "x"}), "wrong arguments", "does not say"),
        ([], None, "right", ""),
        ([], ("search", {"query": "x"}), "called for nothing", "nothing was to be called"),
    ],
)
async def test_a_call_is_judged_by_its_tool_and_its_arguments(
    expect: list[dict[str, Any]], call: tuple[str, Any] | None, verdict: Verdict, because: str
) -> None:
    tools = {tool.name: tool.input_schema for tool in (await offer.current()).tools}
    called = [Called(tool=call[0], arguments=call[1])] if call else []
    judged = turns.judge(turn(*expect), called, tools)
    assert judged.verdict == verdict, judged.because
    assert because in judged.because


# With a model.


def test_claude_is_given_the_offer_and_what_it_gets_wrong_is_told(
    serve: Serve, claude: anthropic_server.Service
) -> None:
    done = run_as_process(of_anthropic(serve(claude.app)), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["turns"], result["right"]) == (len(TURNS), len(TURNS) - len(WRONG))
    assert found_wrong(result) == {id: verdict for id, (_, verdict) in WRONG.items()}
    assert sum(counts["missed"] for counts in result["by_tool"].values()) == 1
    assert result["by_tool"]["nothing"]["called_for_nothing"] == 2
    assert f"of {len(TURNS)} turns" in done.stderr
    assert len(claude.requests) == len(TURNS)
    asked = claude.requests[0]
    assert "Today is Wednesday, 18 March 2026." in str(asked.system)
    assert "This is the memory of the user's past conversations" in str(asked.system)
    assert asked.tools[0].description.startswith("Find what was said or written")


def test_another_service_is_asked_the_same_and_the_table_says_what_was_called(
    run: Run, serve: Serve, gpt: openai_server.Service
) -> None:
    gpt.refusals = [openai_server.refusal(429, "Slow down", retry_after="0.01")] * 2
    done = run(of_openai(serve(gpt.app)), "--at-least", "0.99")
    right = len(TURNS) - len(WRONG)
    assert done.returncode == 1
    assert "of the turns are right, and 0.99 must be." in done.stderr
    assert f"{right} of {len(TURNS)} turns are right" in done.stdout
    for id, (call, verdict) in WRONG.items():
        told = done.stdout.split(f"{id}: {verdict}: ")[1]
        assert told.split("called    ")[1].startswith(call.tool if call else "nothing")
    assert done.stdout.count("  called    ") == len(WRONG)


def test_a_model_that_reasons_is_told_its_limit_by_the_newer_name(
    run: Run, serve: Serve, gpt: openai_server.Service
) -> None:
    gpt.reasons = True
    done = run(of_openai(serve(gpt.app)), "--limit", "5", "--json")
    assert json.loads(done.stdout)["right"] == 5
    assert [asked.max_tokens is None for asked in gpt.requests] == [False, *[True] * 5]


def test_arguments_that_are_no_json_are_wrong(run: Run, serve: Serve, gpt: openai_server.Service) -> None:
    gpt.writes = lambda asked: openai_server.Reply([openai_server.Use("search", '{"query": ')])
    result = json.loads(run(of_openai(serve(gpt.app)), "--limit", "1", "--json").stdout)
    assert [wrong["because"] for wrong in result["wrong"]] == ["the arguments are no JSON object"]


def test_without_a_model_it_is_said_what_to_set(run: Run) -> None:
    done = run({})
    assert done.returncode == 2
    assert done.stderr.startswith(
        "No model is configured that could pick tools. Set MCP_RAG_ANTHROPIC_API_KEY"
    )
    assert "Traceback" not in done.stderr


def test_a_refused_key_ends_it_at_the_first_turn(
    run: Run, serve: Serve, claude: anthropic_server.Service
) -> None:
    done = run(of_anthropic(serve(claude.app), MCP_RAG_ANTHROPIC_API_KEY="sk-other"))
    assert done.returncode == 2
    assert "refused the key (401 Unauthorized)" in done.stderr
    assert "sk-other" not in done.stderr
    assert len(claude.headers) == 1


def test_a_turn_that_the_service_refuses_is_counted_and_the_others_are_judged(
    run: Run, serve: Serve, claude: anthropic_server.Service
) -> None:
    claude.refusals = [None, anthropic_server.refusal(400, "invalid_request_error", "No.")]
    done = run(of_anthropic(serve(claude.app)), "--limit", "4", "--at-once", "1", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["turns"] == 4
    assert [wrong["verdict"] for wrong in result["wrong"]].count("failed") == 1
    assert "answered 400 Bad Request: No." in done.stdout
