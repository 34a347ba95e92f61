import base64
import json
import random
from typing import Any

import asyncpg
import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from mcp_rag.models import Address, NewMessage
from mcp_rag.rag import Rag
from tests import inspection
from tests.conftest import Door

NESTED = "[" * 50 + '{"deep": "walrus"}' + "]" * 50
TEXTS = {
    "right to left": "אני אוהב את הים \u202ereversed\u202c والبحر",
    "chinese": "我们决定在三月十四日开张。" * 40,
    "emoji": "👩‍👩‍👧‍👦 family, 🏳️‍🌈 flag, 👍🏽 thumb, e\u0301 accent",
    "code": 'def f(x):\n\treturn {"a": [x for x in range(10) if x % 2 == 0]}\n\n\n# tail  ',
    "base64": base64.b64encode(random.Random(7).randbytes(2_000)).decode(),
    "json": NESTED,
    "one long word": "x" * 4_000,
    "sql": "'; DROP TABLE message; -- $1 %s {} \\x00 \\u0000",
    "control characters": "bell\x07 escape\x1b[31m delete\x7f form\x0c feed",
    "windows lines": "first\r\nsecond\r\n\r\nthird",
    "space": "   leading and trailing \u3000\u200b\ufeff  ",
    "noncharacters": "\ufffe \uffff \U0010ffff",
    "zalgo": "H" + "\u0300\u0301\u0302\u0303" * 100 + "i",
    "blank lines": "a" + "\n" * 5_000 + "b",
    "html": "<script>alert(1)</script><!-- </x> &amp;",
}
REFUSED = {
    "empty": ({"content": ""}, "message 0 is empty"),
    "blank": ({"content": " \n\t\u2003 "}, "message 0 is empty"),
    "NUL": ({"content": "a\0b"}, "message 0 has a NUL character (U+0000) at offset 1"),
    "binary": ({"content": bytes(range(256)).decode("latin-1")}, "has a NUL character (U+0000) at offset 0"),
    "lone surrogate": ({"content": "half \ud83d"}, "has a lone surrogate (half a character) at offset 5"),
    "too long a message": ({"content": "x" * 1_000_001}, "send it with kind='document'"),
    "no messages": ({"messages": []}, "There is nothing to store."),
    "only bad messages": ({"messages": [{"text": ""}, {"text": "\0"}]}, "message 0 is empty"),
    "year 1": ({"messages": [{"text": "x", "sent_at": "0001-01-01T00:00:00+14:00"}]}, "years 2 to 9998"),
    "no such date": ({"messages": [{"text": "x", "sent_at": "2026-02-31"}]}, "messages.0.sent_at"),
    "bad speaker": ({"messages": [{"text": "x", "speaker": "a\0"}]}, "NUL"),
    "bad message id": ({"messages": [{"text": "x", "message_id": "\udcff"}]}, "lone surrogate"),
    "bad title": ({"content": "x", "title": "a\0b"}, "title has a NUL character"),
    "long title": ({"content": "x", "title": "t" * 1_001}, "title is longer than 1000 characters"),
    "bad source": ({"content": "x", "source": "\ud800"}, "source has a lone surrogate"),
    "bad tag": ({"content": "x", "tags": ["fine", "a\0"]}, "A tag has a NUL character"),
    "tags of numbers": ({"content": "x", "tags": [1]}, "tags.0: Input should be a valid string"),
    "content of bytes": ({"content": 12}, "content: Input should be a valid string"),
    "messages of texts": ({"messages": ["a", "b"]}, "messages.0"),
    "unknown argument": ({"content": "x", "contents": "y"}, "ingest has no argument 'contents'"),
    "line in the id": ({"content": "x", "conversation_id": "a\nb"}, "control characters"),
    "surrogate in the id": ({"content": "x", "conversation_id": "a\ud800"}, "surrogates"),
    "long id": ({"content": "x", "conversation_id": "i" * 513}, "longer than 512 characters"),
}  # fmt: skip
QUESTIONS = {
    "NUL": "walrus\0",
    "surrogate": "walrus \ud83d",
    "binary": "walrus " + bytes(range(1, 256)).decode("latin-1"),
    "operators": "walrus & | ! <-> :* () '\" \\",
    "longest": "walrus " + "a b " * 2_400,
    "chinese": "walrus " + "数据库" * 3_000,
    "json": NESTED,
    "right to left": "walrus \u202eאני\u202c",
}


async def count(owner: asyncpg.Connection) -> int:
    tables = ("conversation", "message", "passage", "embedding", "term_statistic", "tombstone")
    return sum([await owner.fetchval(f"SELECT count(*) FROM {table}") for table in tables])


async def test_any_text_is_stored_to_the_letter_found_and_forgotten(
    rag: Rag, door: Door, owner: asyncpg.Connection
) -> None:
    for name, text in TEXTS.items():
        receipt = await door.result("ingest", conversation_id=name, content=text)
        assert (receipt["added"], receipt["skipped"]) == (1, [])
        assert (await door.result("ingest", conversation_id=name, content=text))["unchanged"] == 1
        assert (await rag.fetch(Address(conversation_id=name))).messages[0].text == text
    await rag.vectors.drain()
    assert (await rag.status()).pending == 0
    for query, name in {
        "walrus deep": "json",
        "alert": "html",
        "drop table": "sql",
        "开张": "chinese",
    }.items():
        results = (await door.result("search", query=query))["results"]
        assert name in [hit["conversation_id"] for hit in results]
    await door.result("forget", conversation_ids=list(TEXTS), dry_run=False)
    assert await inspection.statistics(owner) == []


@pytest.mark.parametrize("kind", ["chat", "document"])
async def test_what_cannot_be_stored_is_refused_with_the_reason_and_leaves_nothing(
    door: Door, owner: asyncpg.Connection, kind: str
) -> None:
    for name, (arguments, told) in REFUSED.items():
        if name == "too long a message" and kind == "document":
            continue
        refusal = await door.refusal("ingest", **{"conversation_id": name, "kind": kind} | arguments)
        assert told in refusal, name
        assert len(refusal) < 400
        assert await count(owner) == 0, name
    assert (await door.result("ingest", conversation_id="fine", content="still alive"))["added"] == 1


async def test_a_hundred_megabytes_are_refused_and_thirty_are_a_document(
    rag: Rag, door: Door, owner: asyncpg.Connection
) -> None:
    told = await door.refusal("ingest", conversation_id="huge", content="word " * 20_000_000, kind="document")
    assert told.startswith("The content is longer than 32,000,000 characters.")
    assert "mcp-rag ingest FILE" in told
    many = [{"text": "y" * 1_000_000}] * 33
    assert "longer than 32,000,000" in await door.refusal("ingest", conversation_id="huge", messages=many)
    assert await count(owner) == 0
    text = "".join(f"## Part {n}\n\nNumber {n} is a walrus.\n\n" for n in range(3_000))
    receipt = await door.result("ingest", conversation_id="big", content=text, kind="document")
    assert "".join(await inspection.texts(owner, "big")) == text
    assert receipt["message_count"] == receipt["added"] == 3_000


async def test_any_question_is_searched_for(rag: Rag, door: Door) -> None:
    await rag.ingest("zoo", [NewMessage(text="The walrus is deep asleep.")])
    await rag.vectors.drain()
    for name, question in QUESTIONS.items():
        assert (await door.result("search", query=question))["total"] == 1, name
        assert "answered" in await door.result("ask", question=question), name


@pytest.mark.parametrize("query", ["", " ", "\n\t", "\0", "\ud800\udfff", "x" * 10_001])
async def test_an_empty_or_endless_question_is_refused(reading_door: Door, query: str) -> None:
    for tool, argument in (("search", "query"), ("ask", "question")):
        assert (await reading_door.refusal(tool, **{argument: query})).startswith("The query is ")


async def test_a_question_without_a_word_finds_nothing_by_words_and_is_no_error(door: Door, rag: Rag) -> None:
    await rag.ingest("zoo", [NewMessage(text="A walrus sleeps.")])
    for query in ("?!", "🤷🏽‍♀️", "...", "\u200b\u200b", "the of and", "\x07"):
        found = await door.result("search", query=query)
        assert (found["results"], found["confidence"]) == ([], "none"), query


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 1_001])
@pytest.mark.parametrize("argument", ["conversation_id", "speaker", "source", "tags", "title"])
async def test_a_filter_that_nothing_could_have_is_refused(
    reading_door: Door, argument: str, value: str
) -> None:
    given: dict[str, Any] = {argument: [value] if argument == "tags" else value}
    if argument not in ("conversation_id", "speaker"):
        assert "Correct the argument" in await reading_door.refusal("list_conversations", **given)
    if argument != "title":
        assert "Correct the argument" in await reading_door.refusal("search", query="walrus", **given)
        assert "Correct the argument" in await reading_door.refusal("ask", question="walrus?", **given)


@pytest.mark.parametrize(
    "name", ["nobody", "a\0b", "\ud800", "", " ", "x" * 10_000, "🎉#4", "#", "a#99999999999"]
)
async def test_an_id_that_nothing_has_is_told(reading_door: Door, name: str) -> None:
    for tool, arguments in (("fetch", {"id": name}), ("forget", {"conversation_ids": [name]})):
        told = await reading_door.refusal(tool, **arguments)
        assert told.startswith(("No conversation has the id", "conversation_id ")), told
        assert len(told) < 11_000


@pytest.mark.parametrize("value", [0, -1, 10**9, 2**63, 10**30, 1.5, "NaN", None, True, [], {}])
async def test_a_number_out_of_range_or_of_another_type_is_refused(reading_door: Door, value: object) -> None:
    for tool, argument, others in (
        ("search", "limit", {"query": "x"}),
        ("search", "max_tokens", {"query": "x"}),
        ("list_conversations", "limit", {}),
        ("fetch", "max_tokens", {"id": "x"}),
    ):
        if value is True and argument == "limit":
            continue
        assert argument in await reading_door.refusal(tool, **others, **{argument: value})
    for argument in ("around", "first"):
        told = await reading_door.refusal("fetch", id="x", **{argument: value})
        assert argument in told or "No conversation has the id 'x'" in told


async def test_dates_far_away_are_stored_and_found_where_the_calendar_reaches(door: Door) -> None:
    dates = [
        "0002-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2345-06-07T08:09:10Z",
        "9998-12-31T23:59:59-12:00",
    ]
    messages = [{"text": f"walrus {date}", "sent_at": date} for date in dates]
    receipt = await door.result("ingest", conversation_id="time", messages=messages)
    assert receipt["added"] == 4
    found = await door.result("search", query="walrus", since="2300-01-01")
    assert {hit["position"] for hit in found["results"]} == {2, 3}
    assert "#3" in (await door.result("fetch", id="time"))["text"]
    assert (await door.result("list_conversations"))["conversations"][0]["ended_at"].startswith("9999-01-01")
    for since in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert "years 2 to 9998" in await door.refusal("search", query="walrus", since=since)


@pytest.mark.parametrize("depth", [50, 200])
async def test_arguments_nested_deeply_are_refused_and_the_server_lives_on(
    mcp_server: MCPServer[Any], depth: int
) -> None:
    nested: Any = "x"
    for _ in range(depth):
        nested = [nested]
    async with Client(mcp_server) as client:
        reply = await client.call_tool("ingest", {"conversation_id": "x", "messages": nested})
        assert reply.is_error
        assert "messages" in reply.content[0].text
        quoted = json.dumps(nested)
        assert not (await client.call_tool("ingest", {"conversation_id": "x", "content": quoted})).is_error
        assert not (await client.call_tool("search", {"query": "x"})).is_error


async def test_a_call_that_is_half_good_stores_the_good_half_and_says_what_it_left_out(
    door: Door, owner: asyncpg.Connection
) -> None:
    messages = [{"text": "good"}, {"text": "\ud800"}, {"text": "b" * 1_000_001}, {"text": "better"}]
    receipt = await door.result("ingest", conversation_id="mixed", messages=messages)
    assert (receipt["added"], [skip["index"] for skip in receipt["skipped"]]) == (2, [1, 2])
    assert await inspection.texts(owner, "mixed") == ["good", "better"]
    assert await inspection.statistics(owner) == await inspection.recount(owner)
