"""The tools that read on: `fetch` and `list_conversations`."""

from typing import Any

import pytest

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from tests.conftest import Door


async def test_a_message_is_fetched_with_its_neighbours(reading_door: Door) -> None:
    for around, expected in ((0, ["#4"]), (1, ["#3", "#4", "#5"]), (50, [f"#{n}" for n in range(21)])):
        fetched = await reading_door.result(
            "fetch", id="team-opening-2026#4", around=around, max_tokens=10_000
        )
        heads = [line.split(" ")[0] for line in fetched["text"].splitlines() if line.startswith("#")]
        assert heads == expected
    assert fetched["metadata"]["conversation_id"] == "team-opening-2026"


@pytest.mark.parametrize("max_tokens", [400, 1500])
async def test_a_conversation_is_read_in_parts_to_its_end_within_the_budget(
    reading_door: Door, max_tokens: int
) -> None:
    seen, first = [], {}
    while True:
        reply = await reading_door.call("fetch", id="team-opening-2026", max_tokens=max_tokens, **first)
        part = reply.structured_content
        assert len(reply.model_dump_json(by_alias=True, exclude_none=True)) / 4 <= max_tokens
        seen += [int(line[1:].split(" ")[0]) for line in part["text"].splitlines() if line.startswith("#")]
        if part.get("next_position") is None:
            break
        assert f"first={part['next_position']}" in reply.content[0].text
        first = {"first": part.get("next_position")}
    assert seen == list(range(21))


async def test_a_message_longer_than_the_budget_is_cut_and_what_follows_it_is_named(door: Door) -> None:
    messages = [{"text": "word " * 20_000}, {"text": "The end."}]
    await door.result("ingest", conversation_id="long", messages=messages)
    reply = await door.call("fetch", id="long", max_tokens=1000)
    assert len(reply.model_dump_json(by_alias=True, exclude_none=True)) / 4 <= 1000
    assert (
        "characters more: raise max_tokens, or read conversation://long/messages/0]" in reply.content[0].text
    )
    assert reply.structured_content["next_position"] == 1
    assert "The end." in (await door.result("fetch", id="long", first=1))["text"]
    assert (await door.result("fetch", id="long", first=2))["text"] == ""


async def test_the_wanted_message_stays_when_its_neighbours_do_not_fit(rag: Rag, door: Door) -> None:
    await rag.ingest(
        "wide", [NewMessage(text=f"Message {n}. " + "Many words here. " * 20) for n in range(30)]
    )
    for position in (0, 3, 15, 29):
        fetched = await door.result("fetch", id=f"wide#{position}", around=20, max_tokens=1000)
        assert f"#{position}\n> Message {position}." in fetched["text"]


@pytest.mark.parametrize("name", ["issue#12", "a#b#3", "conversation:x", "50%", "a/messages/1", "#7"])
async def test_a_conversation_whose_id_looks_like_an_address_is_fetched(door: Door, name: str) -> None:
    receipt = await door.result("ingest", conversation_id=name, content=f"This is {name}.")
    (hit,) = (await door.result("search", query="This is"))["results"]
    for arguments in ({"id": name}, {"uri": receipt["uri"]}, {"id": hit["id"]}, {"uri": hit["url"]}):
        assert f"> This is {name}." in (await door.result("fetch", **arguments))["text"]


async def test_conversations_are_listed_most_recent_first_in_pages_that_leave_none_out(
    reading_door: Door,
) -> None:
    seen, cursor = [], None
    while True:
        page = await reading_door.result(
            "list_conversations", limit=10, **({"cursor": cursor} if cursor else {})
        )
        seen += page["conversations"]
        cursor = page.get("next_cursor")
        if cursor is None:
            break
    whole = (await reading_door.result("list_conversations", limit=100))["conversations"]
    assert seen == whole
    assert len({c["conversation_id"] for c in whole}) == len(whole) > 50
    ended = [c.get("ended_at") for c in whole if c.get("ended_at")]
    assert ended == sorted(ended, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"title": "HARBOUR"}, {"Opening at the harbour", "Allergen list for the harbour menu"}),
        ({"title": "note-emo"}, {None}),
        ({"source": "notes", "tags": ["stars"]}, {None}),
        ({"title": "no such title"}, set()),
        ({"since": "2040-01-01"}, set()),
    ],
)
async def test_the_list_is_narrowed_by_title_source_tags_and_dates(
    reading_door: Door, arguments: dict[str, Any], expected: set[str | None]
) -> None:
    page = await reading_door.result("list_conversations", limit=100, **arguments)
    assert {c.get("title") for c in page["conversations"]} >= expected
    assert len(page["conversations"]) == 0 or expected
