"""How long a result may be: the whole of it, as a client gets it, text and structured content together."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp.types import CallToolResult, Implementation

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from mcp_rag.tools.rendering import DEFAULT, MOST, tokens
from tests.conftest import Door

QUESTIONS = ["opening of the harbour café", "the", "invoice", "数据库", "Where did we stay in Porto?"]
BY_DEFAULT: list[tuple[str, dict[str, Any]]] = [
    *(("search", {"query": question}) for question in QUESTIONS),
    *(("ask", {"question": question}) for question in [*QUESTIONS, "What is the capital of Mongolia?"]),
    ("fetch", {"id": "team-opening-2026"}),
    ("fetch", {"id": "team-opening-2026#4", "around": 50}),
    ("list_conversations", {}),
    ("forget", {"source": "notes"}),
]
AT_MOST: list[tuple[str, dict[str, Any]]] = [
    *(
        (
            "search",
            {
                "query": question,
                "limit": 50,
                "response_format": "detailed",
                "context": 3,
                "explain": True,
                "max_tokens": 10_000,
            },
        )
        for question in QUESTIONS
    ),
    ("fetch", {"id": "team-opening-2026", "max_tokens": 10_000}),
    ("list_conversations", {"limit": 100}),
]


def size(reply: CallToolResult) -> int:
    assert not reply.is_error, reply.content
    return tokens(reply.model_dump_json(by_alias=True, exclude_none=True))


@pytest.mark.parametrize(("tool", "arguments"), BY_DEFAULT)
async def test_a_result_that_nobody_asked_to_be_longer_has_two_thousand_tokens_at_most(
    reading_door: Door, tool: str, arguments: dict[str, Any]
) -> None:
    assert size(await reading_door.call(tool, **arguments)) <= DEFAULT == 2_000


@pytest.mark.parametrize(("tool", "arguments"), AT_MOST)
async def test_no_result_has_more_than_ten_thousand_tokens(
    reading_door: Door, tool: str, arguments: dict[str, Any]
) -> None:
    assert size(await reading_door.call(tool, **arguments)) <= MOST == 10_000


@pytest.mark.parametrize("question", ["opening of the harbour café", "the"])
async def test_json_for_chatgpt_keeps_to_the_same_bounds(reader: Rag, question: str) -> None:
    async def current() -> Rag:
        return reader

    info = Implementation(name="openai-mcp", version="1.0.0")
    async with Client(create_server(current), client_info=info) as client:
        for tool, arguments in (("search", {"query": question}), ("ask", {"question": question})):
            reply = await client.call_tool(tool, arguments)
            assert json.loads(reply.content[0].text) == reply.structured_content
            assert size(reply) <= DEFAULT


async def test_a_list_of_long_names_is_cut_into_shorter_pages_that_leave_none_out(
    rag: Rag, door: Door
) -> None:
    for n in range(25):
        await rag.ingest(f"talk-{n}", [NewMessage(text="Hi")], title=f"{n} {'long ' * 190}")
    seen: list[str] = []
    arguments: dict[str, Any] = {}
    while True:
        reply = await door.call("list_conversations", **arguments)
        assert size(reply) <= DEFAULT
        page = reply.structured_content
        assert page["conversations"]
        seen += [c["conversation_id"] for c in page["conversations"]]
        if page.get("next_cursor") is None:
            break
        arguments = {"cursor": page.get("next_cursor")}
    assert sorted(seen) == sorted(f"talk-{n}" for n in range(25))
    assert size(await door.call("list_conversations", limit=100)) <= MOST


async def test_quotes_that_are_too_long_together_are_begun_word_for_word(rag: Rag, door: Door) -> None:
    said = "We painted the boat " + "and went on painting it with the same brush " * 40
    for n in range(5):
        await rag.ingest(f"boat-{n}", [NewMessage(text=f"{said}, on day {n}.", speaker="Ines")])
    await rag.vectors.drain()
    reply = await door.call("ask", question="Who painted the boat?")
    assert size(reply) <= DEFAULT
    answer = reply.structured_content
    assert answer["answered"]
    assert answer["citations"]
    for citation in answer["citations"]:
        assert len(citation["quote"]) > 40
        assert said.startswith(citation["quote"])


async def test_a_receipt_counts_all_that_was_skipped_and_names_what_there_is_room_for(door: Door) -> None:
    reply = await door.call(
        "ingest", conversation_id="x", messages=[{"text": " "}] * 2_000 + [{"text": "Hi"}]
    )
    assert size(reply) <= MOST
    assert "1 added" in reply.content[0].text
    assert "2000 skipped" in reply.content[0].text
    assert 0 < len(reply.structured_content["skipped"]) < 2_000


async def test_an_erasure_counts_all_conversations_and_names_what_there_is_room_for(
    rag: Rag, door: Door
) -> None:
    ids = [f"{n:03}-{'x' * 500}" for n in range(90)]
    for id in ids:
        await rag.ingest(id, [NewMessage(text="Hi")], source="slack")
    reply = await door.call("forget", source="slack")
    assert size(reply) <= MOST
    assert "of 90 conversations" in reply.content[0].text
    assert 0 < len(reply.structured_content["conversation_ids"]) < 90


async def test_schemas_need_nothing_that_stands_elsewhere(reader: Rag) -> None:
    async def current() -> Rag:
        return reader

    async with Client(create_server(current)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert "$ref" not in json.dumps([tool.model_dump(mode="json") for tool in tools.values()])
    turns = {"question": "x", "history": [{"role": "user", "text": "y"}]}
    Draft202012Validator(tools["ask"].input_schema).validate(turns)
    turns["history"] = [{"role": "nobody", "text": "y"}]
    assert not Draft202012Validator(tools["ask"].input_schema).is_valid(turns)
    assert tools["ask"].output_schema["properties"]["answered"] == {"type": "boolean"}
