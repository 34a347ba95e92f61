"""What a model reads of the tools, and what is wrong with tools that are worse."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import offer, tool_lint
from bench.offer import Offer

ROOT = Path(__file__).parents[2]


async def changed(name: str, **parts: Any) -> Offer:
    """The offer, with one tool described otherwise."""
    offered = await offer.current()
    tools = [tool.model_copy(update=parts) if tool.name == name else tool for tool in offered.tools]
    return replace(offered, listed=offered.listed.model_copy(update={"tools": tools}))


async def described(name: str, description: str) -> list[str]:
    return list(tool_lint.findings(await changed(name, description=description)))


def test_the_tools_are_as_they_must_be_and_their_tokens_are_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.tool_lint"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    said, tokens, _, _, budget = done.stdout.split()
    assert (said, budget) == ("tools/list:", "3,000")
    assert 1_000 < int(tokens.replace(",", "")) <= 3_000


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Search", "the name is no verb"),
        ("search_the_past", "the name is no verb"),
        ("memory", "begins with no verb"),
        ("fetches", "fetch, fetches: the names are alike"),
    ],
)
async def test_names_are_verbs_and_unlike(name: str, told: str) -> None:
    tools = (await offer.current()).tools
    copy = tools[0].model_copy(update={"name": name, "description": "Ask of it when it is time."})
    offered = await offer.current()
    listed = offered.listed.model_copy(update={"tools": [*tools[1:], copy]})
    assert any(told in finding for finding in tool_lint.findings(replace(offered, listed=listed)))


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("", "there is no description"),
        ("The search of everything. Use it.", "begins with 'The'"),
        ("Search " + "very " * 20 + "well. Use it.", "has 22 words"),
        ("Search everything.", "does not say when"),
        (
            "Answer a question from past conversations, with quotes that were checked word for word. Use it.",
            "search, ask: the descriptions share",
        ),
    ],
)
async def test_descriptions_say_what_and_when_and_each_its_own(description: str, told: str) -> None:
    assert any(told in finding for finding in await described("search", description))


async def test_each_parameter_is_described_at_every_depth() -> None:
    tool = next(tool for tool in (await offer.current()).tools if tool.name == "ingest")
    schema = {
        **tool.input_schema,
        "properties": {**tool.input_schema["properties"], "kind": {"type": "string"}},
    }
    found = list(tool_lint.findings(await changed("ingest", input_schema=schema)))
    assert found == ["ingest: the parameter kind has no description."]
    messages = {"type": "array", "description": "Messages.", "items": {"properties": {"speaker": {}}}}
    schema = {"type": "object", "properties": {"messages": messages, "title": {}, "tags": {}}}
    found = list(tool_lint.findings(await changed("ingest", input_schema=schema)))
    assert found == ["ingest: the parameter messages.speaker has no description."]


async def test_an_exception_that_no_parameter_needs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tool_lint.SELF_EXPLAINING, "colour", "it is one")
    found = list(tool_lint.findings(await offer.current()))
    assert found == ["SELF_EXPLAINING: colour is described wherever it is, or nowhere there."]


async def test_more_tokens_than_the_budget_are_told() -> None:
    found = await described("forget", "Erase conversations when asked to. " + "Carefully and slowly. " * 100)
    assert any(finding.startswith("tools/list: 3,") for finding in found)
