from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import asyncpg
import pytest

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from tests import inspection
from tests.conftest import Door

NOON = "2026-03-14T12:00:00Z"
TRIP = [
    {"text": "Where shall we go in May?", "speaker": "Ana", "sent_at": NOON},
    {"text": "Lisbon: the tram is 28 minutes from the harbour.", "speaker": "Ben", "sent_at": NOON},
    {"text": "Then I book the ferry for Tuesday.", "speaker": "Ana", "sent_at": NOON},
]
CHAPTERS = [f"# Chapter {n}\n\nThe {word} stands in the garden.\n\n" for n, word in enumerate(
    ("lighthouse", "windmill", "observatory", "greenhouse")
)]  # fmt: skip


async def test_a_conversation_sent_three_times_is_stored_once(door: Door, owner: asyncpg.Connection) -> None:
    receipts = [await door.result("ingest", conversation_id="trip", messages=TRIP) for _ in range(3)]
    assert [(r["added"], r["unchanged"], r["message_count"]) for r in receipts] == [
        (3, 0, 3),
        (0, 3, 3),
        (0, 3, 3),
    ]
    assert [r["pending"] for r in receipts] == [3, 0, 0]
    assert await inspection.texts(owner, "trip") == [message["text"] for message in TRIP]
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_only_the_new_part_of_a_longer_conversation_is_added(
    door: Door, owner: asyncpg.Connection
) -> None:
    await door.result("ingest", conversation_id="trip", messages=TRIP[:1])
    receipt = await door.result("ingest", conversation_id="trip", messages=TRIP)
    assert (receipt["added"], receipt["unchanged"], receipt["pending"]) == (2, 1, 2)
    assert await inspection.texts(owner, "trip") == [message["text"] for message in TRIP]


async def test_the_end_of_a_conversation_sent_alone_is_appended(
    door: Door, owner: asyncpg.Connection
) -> None:
    await door.result("ingest", conversation_id="trip", messages=TRIP[:2])
    receipt = await door.result("ingest", conversation_id="trip", messages=TRIP[2:])
    assert (receipt["added"], receipt["message_count"]) == (1, 3)
    assert await inspection.texts(owner, "trip") == [message["text"] for message in TRIP]


async def test_an_edited_message_replaces_its_old_text_and_is_found_by_the_new(
    door: Door, rag: Rag, owner: asyncpg.Connection
) -> None:
    first = [
        {"text": "The code of the shed is walrus.", "message_id": "m1"},
        {"text": "Thanks!", "message_id": "m2"},
    ]
    await door.result("ingest", conversation_id="shed", messages=first)
    await rag.vectors.drain()
    vector = await owner.fetchval("SELECT vector::text FROM embedding ORDER BY passage_key LIMIT 1")
    edited = [{"text": "The code of the shed is pelican.", "message_id": "m1"}, first[1]]
    receipt = await door.result("ingest", conversation_id="shed", messages=edited)
    assert (receipt["added"], receipt["updated"], receipt["unchanged"]) == (0, 1, 1)
    # The message itself, and the one that follows it: a reply is embedded with what it answers.
    assert await rag.vectors.drain() == 2
    assert await owner.fetchval("SELECT count(*) FROM embedding") == 2
    assert not await owner.fetchval("SELECT count(*) FROM embedding WHERE vector::text = $1", vector)
    (hit, *_) = (await door.result("search", query="pelican"))["results"]
    assert (hit["id"], hit["text"]) == ("shed#0", "The code of the shed is pelican.")
    assert await inspection.places(owner, "walrus") == []
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_a_new_speaker_of_a_message_with_an_id_is_an_edit(door: Door) -> None:
    message = {"text": "I bring the tent.", "speaker": "Ana", "message_id": "m1"}
    await door.result("ingest", conversation_id="camp", messages=[message])
    receipt = await door.result("ingest", conversation_id="camp", messages=[message | {"speaker": "Ben"}])
    assert (receipt["added"], receipt["updated"]) == (0, 1)
    assert (await door.result("search", query="tent", speaker="ben"))["total"] == 1
    assert (await door.result("search", query="tent", speaker="ana"))["total"] == 0


async def test_of_two_messages_with_one_id_the_later_counts_and_the_other_is_reported(
    door: Door, owner: asyncpg.Connection
) -> None:
    twice = [{"text": "early", "message_id": "m"}, {"text": "late", "message_id": "m"}]
    receipt = await door.result("ingest", conversation_id="twice", messages=twice)
    assert receipt["added"] == 1
    assert [skip["index"] for skip in receipt["skipped"]] == [0]
    assert await inspection.texts(owner, "twice") == ["late"]


@pytest.mark.parametrize(
    "change", [{"speaker": "Ben"}, {"sent_at": "2026-03-14T12:00:01Z"}, {"text": "Yes."}]
)
async def test_without_an_id_a_message_is_another_when_speaker_time_or_text_differ(
    door: Door, change: dict[str, str]
) -> None:
    message = {"text": "Yes", "speaker": "Ana", "sent_at": NOON}
    await door.result("ingest", conversation_id="yes", messages=[message])
    receipt = await door.result("ingest", conversation_id="yes", messages=[message | change])
    assert (receipt["added"], receipt["message_count"]) == (1, 2)


async def test_two_equal_messages_in_one_call_are_both_kept_however_often_they_are_sent(
    door: Door, owner: asyncpg.Connection
) -> None:
    same = [
        {"text": "Yes.", "speaker": "Ana"},
        {"text": "Sure?", "speaker": "Ben"},
        {"text": "Yes.", "speaker": "Ana"},
    ]
    receipts = [await door.result("ingest", conversation_id="yes", messages=same) for _ in range(2)]
    assert [(r["added"], r["unchanged"]) for r in receipts] == [(3, 0), (0, 3)]
    assert await inspection.texts(owner, "yes") == ["Yes.", "Sure?", "Yes."]


async def test_the_same_moment_in_another_time_zone_is_the_same_message(rag: Rag) -> None:
    moment = datetime(2026, 3, 14, 12, tzinfo=UTC)
    zones = [moment, moment.astimezone(timezone(timedelta(hours=9))), moment.replace(tzinfo=None)]
    receipts = [await rag.ingest("zones", [NewMessage(text="Hello", sent_at=sent)]) for sent in zones]
    assert [r.added for r in receipts] == [1, 0, 0]


async def test_a_bare_text_sent_again_unchanged_is_a_repeat(door: Door) -> None:
    first, again = [
        await door.result("ingest", conversation_id="note", content="The cellar key hangs behind the clock.")
        for _ in range(2)
    ]
    assert (first["added"], again["added"], again["unchanged"]) == (1, 0, 1)
    other = await door.result("ingest", conversation_id="note", content="The attic is open.")
    assert (other["added"], other["message_count"]) == (1, 2)


async def test_a_text_that_looks_like_json_is_stored_as_it_is(door: Door, owner: asyncpg.Connection) -> None:
    contents = ['{"a": [1, 2]}', "[1, 2, 3]", "null", "true", "12", '"quoted"']
    for content in contents:
        await door.result("ingest", conversation_id="json", content=content, title=content)
    assert await inspection.texts(owner, "json") == contents
    assert (await door.result("fetch", id="json"))["title"] == contents[-1]


async def test_an_edited_section_of_a_document_is_replaced_and_the_others_stay(
    door: Door, rag: Rag, owner: asyncpg.Connection
) -> None:
    await door.result("ingest", conversation_id="book", content="".join(CHAPTERS), kind="document")
    await rag.vectors.drain()
    edited = [*CHAPTERS[:1], CHAPTERS[1].replace("windmill", "watermill"), *CHAPTERS[2:]]
    receipt = await door.result("ingest", conversation_id="book", content="".join(edited))
    assert (receipt["added"], receipt["unchanged"], receipt["removed"]) == (1, 3, 1)
    assert await rag.vectors.drain() == 1
    assert "".join(await inspection.texts(owner, "book")) == "".join(edited)
    assert await inspection.places(owner, "windmill") == []
    assert (await door.result("search", query="watermill"))["results"][0]["position"] == 1


async def test_sections_that_a_document_lost_moved_or_gained_are_counted(
    door: Door, owner: asyncpg.Connection
) -> None:
    await door.result("ingest", conversation_id="book", content="".join(CHAPTERS), kind="document")
    changed = "".join([CHAPTERS[3], "# Chapter 9\n\nA new gate.\n\n", CHAPTERS[0]])
    receipt = await door.result("ingest", conversation_id="book", content=changed, kind="document")
    assert (receipt["added"], receipt["unchanged"], receipt["removed"], receipt["message_count"]) == (
        1,
        2,
        2,
        3,
    )
    assert "".join(await inspection.texts(owner, "book")) == changed
    assert await inspection.statistics(owner) == await inspection.recount(owner)


@pytest.mark.parametrize(
    "text",
    [
        "\n\n  # Title\r\n\r\nText with trailing space.  \r\n\r\n\r\n",
        "no heading at all, " * 700,
        "# Ä\n" + "数据库的迁移必须在停机窗口内完成。" * 400 + "\n\n```python\n# not a heading\n```\n",
        "---\ntitle: x\n---\n\n"
        + "".join(f"## Part {n}\n\n" + f"Word {n}. " * 90 + "\n\n" for n in range(12)),
    ],
    ids=["odd space", "one long line", "chinese", "front matter"],
)
async def test_the_stored_sections_of_a_document_are_its_text_to_the_letter(
    door: Door, owner: asyncpg.Connection, text: str
) -> None:
    receipts = [
        await door.result("ingest", conversation_id="doc", content=text, kind="document") for _ in range(2)
    ]
    assert "".join(await inspection.texts(owner, "doc")) == text
    assert (receipts[1]["added"], receipts[1]["removed"]) == (0, 0)
    assert receipts[1]["unchanged"] == receipts[0]["added"]


async def test_passages_are_stretches_of_the_stored_messages(door: Door, owner: asyncpg.Connection) -> None:
    long = " ".join(f"Sentence number {n} speaks of 🎉 café." for n in range(200))
    await door.result("ingest", conversation_id="long", content=long)
    rows = await owner.fetch("SELECT start, stop FROM passage ORDER BY start")
    assert rows[0]["start"] == 0
    assert rows[-1]["stop"] == len(long)
    assert all(after["start"] < before["stop"] for before, after in pairwise(rows))


async def test_a_new_title_is_indexed_with_every_message(
    door: Door, rag: Rag, owner: asyncpg.Connection
) -> None:
    await door.result("ingest", conversation_id="trip", messages=TRIP, title="Holiday")
    await rag.vectors.drain()
    receipt = await door.result("ingest", conversation_id="trip", messages=TRIP, title="Expedition")
    assert (receipt["unchanged"], receipt["pending"]) == (3, 3)
    assert (await door.result("search", query="Expedition"))["total"] == 3
    assert await rag.vectors.drain() == 3
    assert await inspection.places(owner, "Holiday") == []
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_a_document_can_get_a_new_title_and_lose_a_section_at_once(
    door: Door, owner: asyncpg.Connection
) -> None:
    book = {"conversation_id": "book", "kind": "document"}
    await door.result("ingest", content="".join(CHAPTERS), title="Old", **book)
    receipt = await door.result("ingest", content="".join(CHAPTERS[1:]), title="New", **book)
    assert (receipt["unchanged"], receipt["removed"], receipt["pending"]) == (3, 1, 3)
    assert await inspection.places(owner, "lighthouse") == []
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_title_source_and_tags_stay_when_they_are_not_sent_again(door: Door) -> None:
    await door.result(
        "ingest",
        conversation_id="trip",
        messages=TRIP,
        title="Holiday",
        source="claude",
        tags=["travel", "may"],
    )
    await door.result("ingest", conversation_id="trip", messages=TRIP)
    (kept,) = (await door.result("list_conversations"))["conversations"]
    assert (kept["title"], kept["source"], kept["tags"]) == ("Holiday", "claude", ["travel", "may"])
    await door.result("ingest", conversation_id="trip", messages=TRIP, tags=[])
    (cleared,) = (await door.result("list_conversations"))["conversations"]
    assert (cleared["title"], cleared["tags"]) == ("Holiday", [])


async def test_a_repeat_leaves_the_conversation_as_it_was(door: Door) -> None:
    await door.result("ingest", conversation_id="trip", messages=TRIP, title="Holiday")
    (before,) = (await door.result("list_conversations"))["conversations"]
    await door.result("ingest", conversation_id="trip", messages=TRIP)
    (after,) = (await door.result("list_conversations"))["conversations"]
    assert after == before


async def test_messages_that_cannot_be_stored_are_skipped_with_a_reason_each(
    door: Door, owner: asyncpg.Connection
) -> None:
    messages = [
        {"text": "good"},
        {"text": "  \n"},
        {"text": "a\0b"},
        {"text": "x" * 1_000_001},
        {"text": "fine"},
    ]
    receipt = await door.result("ingest", conversation_id="mixed", messages=messages)
    assert [skip["index"] for skip in receipt["skipped"]] == [1, 2, 3]
    reasons = [skip["reason"] for skip in receipt["skipped"]]
    assert all(word in reason for word, reason in zip(("empty", "NUL", "longer"), reasons, strict=True))
    assert (receipt["added"], receipt["message_count"]) == (2, 2)
    assert await inspection.texts(owner, "mixed") == ["good", "fine"]


async def test_the_receipt_names_the_address_and_the_text_stands_alone(door: Door) -> None:
    reply = await door.call("ingest", conversation_id="a b/c", content="Hello there")
    assert reply.structured_content["uri"] == "conversation://a%20b%2Fc"
    assert reply.content[0].text == "conversation://a%20b%2Fc: 1 added, 0 updated, 0 unchanged, 0 skipped."
