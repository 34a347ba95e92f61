"""Clients that others wrote use all that the product offers, over every transport."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mcp_rag import jobs
from tests.conformance.running import SDKS, Steps, reached, run
from tests.resident.household import Household
from tests.serve_process import MCP_RAG, Serving

pytestmark = pytest.mark.conformance

TOOLS = {"search", "ask", "fetch", "list_conversations", "ingest", "forget"}
PROMPTS = {"recall", "continue_conversation"}
WHOLE = "conversation://{conversation_id}"
MESSAGE = "conversation://{conversation_id}/messages/{position}"
JOB = "rag://jobs/{id}"
IDS = {(of, "conversation_id") for of in (WHOLE, MESSAGE, "continue_conversation")}
KNOWN = IDS | {("recall", argument) for argument in ("speaker", "source", "tag")}
"""Arguments of prompts and addresses that are completed by what is stored."""
OTHERS = {("recall", "topic"), (MESSAGE, "position"), (JOB, "id")}
"""Those that are not."""
SAID = "The dodo is in the attic."

LOGS = ["ingest", "search", "ask", "forget"]
"""The calls that tell, to clients which want a log, what they have done."""

REVISIONS = {"legacy": "2025-11-25", "modern": "2026-07-28", "auto": "2026-07-28"}
"""What the Inspector agrees on with the product."""

each_transport = pytest.mark.parametrize("transport", ["http", "sse", "stdio"])
each_way = pytest.mark.parametrize(
    ("transport", "era"),
    [
        ("http", "legacy"),
        ("http", "modern"),
        ("sse", "legacy"),
        ("sse", "modern"),
        ("stdio", "legacy"),
        ("stdio", "auto"),
    ],
)


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


@each_transport
@pytest.mark.parametrize(("sdk", "mode", "revision"), SDKS)
def test_the_typescript_sdk_uses_all_that_is_offered(
    serving: Serving, household: Household, transport: str, sdk: str, mode: str | None, revision: str | None
) -> None:
    name = f"{sdk}/{mode}/{transport}"
    values = {
        "conversation_id": name, "position": "0", "id": jobs.uri(name).rpartition("/")[2],
        "topic": "dodos", "speaker": "Ana", "source": "none", "tag": "x",
    }  # fmt: skip
    server = reached(serving, household, transport)
    told = {"sdk": sdk, "mode": mode, "server": server, "calls": calls(name), "values": values}
    done = run("node", "drive.mjs", json.dumps(told))
    assert done.returncode == 0, done.stderr
    steps = Steps(done.stdout.splitlines())
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
    assert set(completed) == KNOWN | OTHERS
    assert (completed["recall", "speaker"], completed["recall", "tag"]) == (["Ana"], ["x"])
    assert all(name in completed[each] for each in IDS)


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
        asked = (*options, "--method", method, "--protocol-era", self._era)
        # What it keeps of a connection is not to land in the home of who runs the tests.
        done = run("mcp-inspector", "--cli", *asked, *self._target, HOME=str(self._home))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, done.stderr


class Connection:
    """One that `mcpdo` keeps, the Inspector's command line that can complete: each command is a run of it."""

    def __init__(self, name: str, home: Path) -> None:
        self._name, self._home = name, home

    def does(self, *command: str) -> Any:
        done = run("mcpdo", "--connection", self._name, "--format", "json", *command, HOME=str(self._home))
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def completes(self, kind: str, of: str, argument: str, begun: str) -> list[str]:
        ref = ("--complete-ref-type", kind, "--complete-ref", of)
        value = ("--complete-arg-name", argument, "--complete-arg-value", begun)
        return list(self.does("prompts/complete", *ref, *value)["values"])


@pytest.fixture
def target(serving: Serving, household: Household, transport: str) -> list[str]:
    """How the Inspector is told of the product."""
    given = [part for pair in household.environment.items() for part in ("-e", "=".join(pair))]
    targets = {
        "http": [serving.url("mcp"), "--transport", "http"],
        "sse": [serving.url("sse"), "--transport", "sse"],
        "stdio": [*given, "--", *MCP_RAG, "stdio"],
    }
    return targets[transport]


@pytest.fixture
def inspector(target: list[str], era: str, tmp_path: Path) -> Inspector:
    return Inspector(target, era, tmp_path)


@pytest.fixture
def connection(target: list[str], era: str, household: Household) -> Iterator[Connection]:
    connection = Connection("memory", household.folder)
    try:
        connection.does("connect", "--era", era, *target)
        yield connection
    finally:
        connection.does("daemon", "stop")


@each_way
def test_the_inspector_uses_all_that_is_offered(inspector: Inspector, transport: str, era: str) -> None:
    name = f"inspector/{transport}/{era}"
    assert inspector.result("initialize")["protocolVersion"] == REVISIONS[era]
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
    (job,) = inspector.result("resources/read", "--uri", jobs.uri(name))["contents"]
    assert json.loads(job["text"])["conversation_id"] == name
    (status,) = inspector.result("resources/read", "--uri", "rag://status")["contents"]
    assert json.loads(status["text"])["conversations"] >= 1
    prompts = inspector.result("prompts/list")["prompts"]
    assert {each["name"] for each in prompts} == PROMPTS
    for prompt, argument in (("recall", "topic=dodos"), ("continue_conversation", f"conversation_id={name}")):
        picked = inspector.result("prompts/get", "--prompt-name", prompt, "--prompt-args", argument)
        assert picked["messages"][0]["content"]["text"]


@each_way
def test_the_inspector_completes_all_that_can_be_completed(
    connection: Connection, transport: str, era: str
) -> None:
    name = f"completed/{transport}/{era}"
    assert connection.does("connections/show")["protocolVersion"] == REVISIONS[era]
    message = {"text": SAID, "speaker": name}
    stored = {"conversation_id": name, "source": name, "tags": [name], "messages": [message]}
    assert connection.does("tools/call", "ingest", json.dumps(stored))["structuredContent"]["added"] == 1
    prompts = connection.does("prompts/list")["prompts"]
    templates = connection.does("resources/templates/list")["resourceTemplates"]
    arguments = [("ref/prompt", each["name"], one["name"]) for each in prompts for one in each["arguments"]]
    arguments += [
        ("ref/resource", each["uriTemplate"], one)
        for each in templates
        for one in re.findall(r"{(\w+)}", each["uriTemplate"])
    ]
    completed = {each[1:]: connection.completes(*each, name[:-1]) for each in arguments}
    assert completed == {each: [name] if each in KNOWN else [] for each in KNOWN | OTHERS}


@each_transport
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_no_schema_that_a_client_might_refuse(
    inspector: Inspector, transport: str, era: str
) -> None:
    said, complaints = inspector.ran("tools/list", "--strict", "--format", "json")
    assert {tool["name"] for tool in json.loads(said)["result"]["tools"]} == TOOLS
    assert complaints == ""
