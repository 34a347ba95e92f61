"""Clients that others wrote use all that the product offers, over every transport."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mcp_rag import jobs
from tests.conformance.running import run
from tests.resident.conftest import moved_in
from tests.resident.household import Household
from tests.serve_process import MCP_RAG, Serving

pytestmark = pytest.mark.conformance

TOOLS = {"search", "ask", "fetch", "list_conversations", "ingest", "forget"}
PROMPTS = {"recall", "continue_conversation"}
WHOLE = "conversation://{conversation_id}"
MESSAGE = "conversation://{conversation_id}/messages/{position}"
JOB = "rag://jobs/{id}"
SAID = "The dodo is in the attic."

LOGS = ["ingest", "search", "ask", "forget"]
"""The calls that tell, to clients which want a log, what they have done."""

each_transport = pytest.mark.parametrize("transport", ["http", "sse", "stdio"])


@pytest.fixture(scope="module")
def serving(shared: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=shared) as server:
        yield server


@pytest.fixture(scope="module")
def household(shared: str) -> Iterator[Household]:
    with moved_in(MCP_RAG_DATABASE_URL=shared) as home:
        yield home


def calls(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Each tool, on a conversation that the first call stores."""
    return [
        ("ingest", {"conversation_id": name, "messages": [{"text": SAID, "speaker": "Ana"}], "tags": ["x"]}),
        ("search", {"query": "dodo attic", "conversation_id": name, "explain": True}),
        ("ask", {"question": "Where is the dodo?", "conversation_id": name}),
        ("fetch", {"uri": address(name)}),
        ("list_conversations", {"title": name}),
        ("forget", {"conversation_ids": [name]}),
    ]


def address(name: str) -> str:
    return f"conversation://{quote(name, safe='')}"


def check(name: str, given: dict[str, dict[str, Any]]) -> None:
    """The calls gave, as structured content, what they should."""
    assert given["ingest"]["added"] == 1
    (hit,) = given["search"]["results"]
    assert (hit["id"], hit["speaker"], hit["text"]) == (f"{name}#0", "Ana", SAID)
    (citation,) = given["ask"]["citations"]
    assert citation["verified"] and citation["quote"] == SAID
    assert SAID in given["fetch"]["text"]
    (conversation,) = given["list_conversations"]["conversations"]
    assert (conversation["conversation_id"], conversation["tags"]) == (name, ["x"])
    assert (given["forget"]["dry_run"], given["forget"]["messages"]) == (True, 1)


class Steps:
    """What a client of the TypeScript SDK said of its way through the offer."""

    def __init__(self, lines: str) -> None:
        self._all: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]

    def every(self, step: str) -> list[dict[str, Any]]:
        return [each for each in self._all if each["step"] == step]

    def one(self, step: str) -> dict[str, Any]:
        (only,) = self.every(step)
        return only

    def by(self, step: str, name: str, what: str) -> dict[str, Any]:
        return {each[name]: each[what] for each in self.every(step)}


@each_transport
@pytest.mark.parametrize(
    ("sdk", "mode", "revision"),
    [("v1", None, None), ("v2", None, "2025-11-25"), ("v2", "auto", "2026-07-28")],
)
def test_the_typescript_sdk_uses_all_that_is_offered(
    serving: Serving, household: Household, transport: str, sdk: str, mode: str | None, revision: str | None
) -> None:
    name = f"{sdk}/{mode}/{transport}"
    reached = {
        "http": {"url": serving.url("mcp")},
        "sse": {"url": serving.url("sse")},
        "stdio": pipe(household),
    }
    values = {
        "conversation_id": name, "position": "0", "id": jobs.uri(name).rpartition("/")[2],
        "topic": "dodos", "speaker": "Ana", "source": "none", "tag": "x",
    }  # fmt: skip
    server = {"transport": transport, **reached[transport]}
    told = {"sdk": sdk, "mode": mode, "server": server, "calls": calls(name), "values": values}
    done = run("node", "drive.mjs", json.dumps(told))
    assert done.returncode == 0, done.stderr
    steps = Steps(done.stdout)
    assert steps.one("connected")["server"]["name"] == "mcp-rag"
    assert steps.one("connected").get("revision") == revision
    assert steps.one("closed")
    assert set(steps.one("tools")["names"]) == TOOLS
    assert steps.one("tools")["schemas"]
    assert not any(steps.by("call", "name", "isError").values())
    check(name, steps.by("call", "name", "structuredContent"))
    # Until its model is there, a search warns besides.
    assert [each["logger"] for each in steps.every("log") if each["level"] == "info"] == LOGS
    listed, read = steps.one("resources"), steps.by("read", "uri", "contents")
    assert {"rag://status", address(name)} <= set(listed["uris"])
    assert set(listed["templates"]) == {WHOLE, MESSAGE, JOB}
    assert set(read) == {*listed["uris"], f"{address(name)}/messages/0", jobs.uri(name)}
    assert all(f"> {SAID}" in read[uri][0]["text"] for uri in read if not uri.startswith("rag://"))
    assert set(steps.one("prompts")["names"]) == PROMPTS
    picked = {
        prompt: said[0]["content"]["text"] for prompt, said in steps.by("prompt", "name", "messages").items()
    }
    assert "dodos" in picked["recall"] and address(name) in picked["continue_conversation"]
    completed = {(each["of"], each["argument"]): each["values"] for each in steps.every("completion")}
    ids = {
        (WHOLE, "conversation_id"),
        (MESSAGE, "conversation_id"),
        ("continue_conversation", "conversation_id"),
    }
    others = {("recall", argument) for argument in ("topic", "speaker", "source", "tag")}
    assert set(completed) == {*ids, *others, (MESSAGE, "position"), (JOB, "id")}
    assert (completed["recall", "speaker"], completed["recall", "tag"]) == (["Ana"], ["x"])
    assert all(name in completed[each] for each in ids)


def pipe(home: Household) -> dict[str, Any]:
    command, *arguments = MCP_RAG
    return {"command": command, "args": [*arguments, "stdio"], "env": home.environment}


class Inspector:
    """The Inspector's command line: a connection of its own for each call."""

    def __init__(self, target: list[str], era: str, home: Path) -> None:
        self._target, self._era, self._home = target, era, home

    def result(self, method: str, *options: str) -> Any:
        said, complaints = self.ran(method, *options, "--format", "json", "-q")
        assert not complaints
        return json.loads(said)["result"]

    def ran(self, method: str, *options: str) -> tuple[str, str]:
        """What it said of the result, and what it said beside it."""
        asked = ("--method", method, "--protocol-era", self._era, *options)
        # What it keeps of a connection is not to land in the home of who runs the tests.
        done = run("mcp-inspector", "--cli", *self._target, *asked, HOME=str(self._home))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, done.stderr


@pytest.fixture
def inspector(serving: Serving, household: Household, transport: str, era: str, tmp_path: Path) -> Inspector:
    given = [part for pair in household.environment.items() for part in ("-e", "=".join(pair))]
    targets = {
        "http": [serving.url("mcp"), "--transport", "http"],
        "sse": [serving.url("sse"), "--transport", "sse"],
        "stdio": [*MCP_RAG, "stdio", *given],
    }
    return Inspector(targets[transport], era, tmp_path)


@pytest.mark.parametrize(("transport", "era"), [("http", "modern"), ("sse", "legacy"), ("stdio", "auto")])
def test_the_inspector_uses_all_that_is_offered(inspector: Inspector, transport: str) -> None:
    name = f"inspector/{transport}"
    given = {}
    for tool, arguments in calls(name):
        result = inspector.result(
            "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)
        )
        assert not result.get("isError"), result
        given[tool] = result["structuredContent"]
    check(name, given)
    listed = [each["uri"] for each in inspector.result("resources/list")["resources"]]
    assert listed[:2] == ["rag://status", address(name)]
    templates = inspector.result("resources/templates/list")["resourceTemplates"]
    assert {each["uriTemplate"] for each in templates} == {WHOLE, MESSAGE, JOB}
    for uri in (address(name), f"{address(name)}/messages/0"):
        (content,) = inspector.result("resources/read", "--uri", uri)["contents"]
        assert f"> {SAID}" in content["text"]
    (status,) = inspector.result("resources/read", "--uri", "rag://status")["contents"]
    assert json.loads(status["text"])["conversations"] >= 1
    prompts = inspector.result("prompts/list")["prompts"]
    assert {each["name"] for each in prompts} == PROMPTS
    for prompt, argument in (("recall", "topic=dodos"), ("continue_conversation", f"conversation_id={name}")):
        picked = inspector.result("prompts/get", "--prompt-name", prompt, "--prompt-args", argument)
        assert picked["messages"][0]["content"]["text"]


@each_transport
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_no_schema_that_a_client_might_refuse(
    inspector: Inspector, transport: str, era: str
) -> None:
    said, complaints = inspector.ran("tools/list", "--strict", "--format", "json")
    assert {tool["name"] for tool in json.loads(said)["result"]["tools"]} == TOOLS
    assert complaints == ""
