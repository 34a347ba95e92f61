import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, Implementation, ResourceLink, Tool

from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests.conftest import Door

ERAS = ["legacy", "auto"]
NAMES = ["search", "ask", "fetch", "list_conversations", "ingest", "forget"]
CALLS = [
    ("search", {"query": "opening of the harbour café", "limit": 2}),
    ("search", {"query": "xyzzy", "speaker": "nobody"}),
    ("ask", {"question": "Where did we stay in Porto?"}),
    ("ask", {"question": "What is the capital of Mongolia?"}),
    ("fetch", {"id": "team-opening-2026#1"}),
    ("fetch", {"uri": "conversation://note-emoji"}),
    ("list_conversations", {"limit": 3}),
    ("forget", {"conversation_ids": ["note-emoji"]}),
]
TROUBLE = [
    ("search", {}, "query: Field required."),
    ("search", {"query": ""}, "The query is empty. Say in a few words what to look for."),
    ("search", {"query": "x", "limit": "many"}, "limit: Input should be a valid integer"),
    ("search", {"query": ["x"]}, "query: Input should be a valid string"),
    ("search", {"query": "x", "since": "yesterday"}, "since: Input should be a valid datetime"),
    (
        "search",
        {"query": "x", "response_format": "long"},
        "response_format: Input should be 'concise' or 'detailed'",
    ),
    ("search", {"query": "x", "max_tokens": 5}, "max_tokens: Input should be greater than or equal to"),
    ("search", {"query": "x", "top_k": 3}, "search has no argument 'top_k'. It has: query, limit,"),
    ("search", {"query": "x", "rag": "x"}, "search has no argument 'rag'."),
    ("ask", {"question": " "}, "The query is empty."),
    ("fetch", {}, "Both or neither of id and uri are given. Give one of them."),
    ("fetch", {"id": "a", "uri": "conversation://a"}, "Both or neither of id and uri are given."),
    ("fetch", {"id": "note-emojj"}, "No conversation has the id 'note-emojj'."),
    ("fetch", {"id": "note-emo"}, "Did you mean 'note-emoji'?"),
    (
        "fetch",
        {"id": "note-emoji#9"},
        "Conversation 'note-emoji' has no message 9. Call `fetch` with the conversation",
    ),
    ("fetch", {"uri": "conversation://note-emoji/messages/last"}, "is not the address of a message."),
    ("fetch", {"id": "note-emoji", "around": 51}, "around: Input should be less than or equal to 50"),
    ("list_conversations", {"limit": 101}, "limit: Input should be less than or equal to 100"),
    ("list_conversations", {"cursor": "x"}, "The cursor does not belong to this query."),
    (
        "ingest",
        {"conversation_id": "x"},
        "Both or neither of content and messages are given. Give one of them.",
    ),
    (
        "ingest",
        {"conversation_id": "x", "content": "a", "messages": []},
        "Both or neither of content and messages",
    ),
    ("ingest", {"conversation_id": "x", "messages": []}, "There is nothing to store. Send `content` or"),
    ("ingest", {"conversation_id": "", "content": "a"}, "conversation_id is empty. Name the conversation"),
    ("ingest", {"conversation_id": "conversation://x", "content": "a"}, "conversation_id is an address"),
    ("ingest", {"conversation_id": "x", "messages": [{"speaker": "a"}]}, "messages.0.text: Field required."),
    (
        "ingest",
        {"conversation_id": "x", "messages": [{"text": "a", "role": "user"}]},
        "messages.0.role: Extra inputs",
    ),
    (
        "ingest",
        {"conversation_id": "x", "content": "a", "kind": "poem"},
        "kind: Input should be 'chat' or 'document'",
    ),
    ("forget", {"conversation_ids": "note-emoji"}, "conversation_ids: Input should be a valid list"),
]


@pytest.fixture
def library_server(reader: Rag) -> MCPServer[Any]:
    async def current() -> Rag:
        return reader

    return create_server(current)


async def offered(server: MCPServer[Any], era: str = "auto") -> list[Tool]:
    async with Client(server, mode=era) as client:
        return (await client.list_tools()).tools


def text(reply: CallToolResult) -> str:
    return str(reply.content[0].text)


@pytest.mark.parametrize("era", ERAS)
async def test_six_tools_are_offered_each_with_a_title_all_hints_and_both_schemas(
    library_server: MCPServer[Any], era: str
) -> None:
    tools = await offered(library_server, era)
    assert [tool.name for tool in tools] == NAMES
    for tool in tools:
        assert tool.title
        assert tool.annotations.title is None or tool.annotations.title == tool.title
        hints = tool.annotations.model_dump(exclude={"title"})
        assert set(hints.values()) <= {True, False}
        assert len(hints) == 4
        assert 40 < len(tool.description) < 700
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema["type"] == "object"
        for schema in (tool.input_schema, tool.output_schema):
            Draft202012Validator.check_schema(schema)


async def test_hints_say_which_tools_read_write_and_erase(library_server: MCPServer[Any]) -> None:
    hints = {tool.name: tool.annotations for tool in await offered(library_server)}
    assert [name for name in NAMES if hints[name].read_only_hint] == NAMES[:4]
    assert [name for name in NAMES if hints[name].destructive_hint] == ["forget"]
    assert all(hint.idempotent_hint and not hint.open_world_hint for hint in hints.values())


@pytest.mark.parametrize("era", ERAS)
async def test_the_whole_offer_stays_under_three_thousand_tokens_and_never_changes(
    library_server: MCPServer[Any], era: str
) -> None:
    async with Client(library_server, mode=era) as client:
        first = (await client.list_tools()).model_dump_json(by_alias=True, exclude_none=True)
    async with Client(create_server(library_server), mode=era) as client:
        second = (await client.list_tools()).model_dump_json(by_alias=True, exclude_none=True)
    assert first == second
    assert len(first) / 4 <= 3000


@pytest.mark.parametrize("era", ERAS)
async def test_the_server_says_what_it_is_for_in_few_words(library_server: MCPServer[Any], era: str) -> None:
    async with Client(library_server, mode=era) as client:
        said = client.instructions
        assert client.server_info.name == "mcp-rag"
    assert said.startswith("This is the memory of the user's past conversations")
    assert all(f"`{name}`" in said for name in ("search", "ask", "fetch", "ingest", "forget"))
    assert len(said.split()) <= 120


@pytest.mark.parametrize("era", ERAS)
async def test_structured_content_keeps_its_schema_and_the_text_stands_alone(
    library_server: MCPServer[Any], era: str
) -> None:
    async with Client(library_server, mode=era) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        for tool, arguments in CALLS:
            reply = await client.call_tool(tool, arguments)
            assert not reply.is_error, text(reply)
            Draft202012Validator(schemas[tool]).validate(reply.structured_content)
            assert text(reply).strip()
            for hit in reply.structured_content.get("results", []):
                assert hit["url"] in text(reply)
                assert hit["text"].splitlines()[0] in text(reply)
            for citation in reply.structured_content.get("citations", []):
                assert citation["uri"] in text(reply)


async def test_each_hit_is_linked_and_the_link_can_be_read(library_server: MCPServer[Any]) -> None:
    async with Client(library_server) as client:
        reply = await client.call_tool("search", {"query": "opening of the harbour café", "limit": 5})
        links = [block for block in reply.content if isinstance(block, ResourceLink)]
        assert [link.uri for link in links] == [hit["url"] for hit in reply.structured_content["results"]]
        for link in links:
            (read,) = (await client.read_resource(link.uri)).contents
            assert read.text.startswith("# ")
            assert "\n> " in read.text


@pytest.mark.parametrize(("tool", "arguments", "told"), TROUBLE)
async def test_a_wrong_call_is_told_the_cause_and_the_remedy(
    library_server: MCPServer[Any], tool: str, arguments: dict[str, Any], told: str
) -> None:
    async with Client(library_server) as client:
        reply = await client.call_tool(tool, arguments)
        assert reply.is_error
        assert told in text(reply)
        assert text(reply).endswith((".", "?"))
        assert text(reply).count(". ") >= 1
        assert "Traceback" not in text(reply)
        assert reply.structured_content is None
        assert len(reply.content) == 1


async def test_an_unknown_tool_is_an_error(library_server: MCPServer[Any]) -> None:
    async with Client(library_server) as client:
        reply = await client.call_tool("remember", {})
    assert reply.is_error
    assert "Unknown tool" in text(reply)


@pytest.mark.parametrize("era", ERAS)
async def test_chatgpt_reads_one_block_of_json(library_server: MCPServer[Any], era: str) -> None:
    info = Implementation(name="openai-mcp", version="1.0.0")
    async with Client(library_server, mode=era, client_info=info) as client:
        found = await client.call_tool("search", {"query": "opening of the harbour café"})
        (block,) = found.content
        results = json.loads(block.text)["results"]
        assert results
        assert all({"id", "title", "url"} <= set(result) for result in results)
        (block,) = (await client.call_tool("fetch", {"id": results[0]["id"]})).content
        document = json.loads(block.text)
        assert {"id", "title", "text", "url", "metadata"} <= set(document)
        assert (document["id"], document["url"]) == (results[0]["id"], results[0]["url"])
        wrong = await client.call_tool("fetch", {"id": "nobody"})
        assert wrong.is_error
        assert text(wrong).startswith("No conversation has the id 'nobody'.")


async def test_lists_that_arrive_as_json_in_a_string_are_read(door: Door) -> None:
    await door.result("ingest", conversation_id="x", messages=json.dumps([{"text": "Hi"}]), tags='["a", "b"]')
    (kept,) = (await door.result("list_conversations", tags='["b"]'))["conversations"]
    assert kept["tags"] == ["a", "b"]
