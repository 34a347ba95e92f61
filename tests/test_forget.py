import asyncio

import asyncpg
import pytest

from mcp_rag.models import Filters, NewMessage
from mcp_rag.rag import Rag
from tests import inspection
from tests.conftest import Door, eventually

DIARY = [
    {"text": "Today we saw a capercaillie.", "speaker": "Ana", "message_id": "m1"},
    {"text": "The guide was called Bartholomew.", "speaker": "Ben", "message_id": "m2"},
    {"text": "Tomorrow the glacier.", "speaker": "Ana", "message_id": "m3"},
]

REFUSED = [
    ({}, "Give a conversation_id or a source"),
    ({"conversation_ids": []}, "Give a conversation_id or a source"),
    ({"conversation_ids": [""]}, "conversation_id is empty"),
    ({"source": " "}, "Give a conversation_id or a source"),
    ({"conversation_ids": ["nobody"]}, "No conversation has the id 'nobody'"),
    ({"conversation_ids": ["diary", "nobody"]}, "No conversation has the id 'nobody'"),
    ({"conversation_ids": ["diar"]}, "Did you mean 'diary'?"),
    ({"source": "nowhere"}, "list_conversations"),
    ({"conversation_ids": ["diary"], "position": 7}, "has no message 7"),
    ({"conversation_ids": ["diary"], "position": 10**12}, "position"),
    ({"conversation_ids": ["diary"], "position": -1}, "position"),
    ({"conversation_ids": ["diary", "list"], "position": 0}, "the one conversation"),
    ({"source": "phone", "position": 0}, "the one conversation"),
]


@pytest.fixture
async def diary(door: Door, rag: Rag) -> None:
    """A conversation to forget, one of the same source, and one of another."""
    await door.result(
        "ingest", conversation_id="diary", messages=DIARY, title="Cairngorms", source="phone", tags=["trip"]
    )
    await door.result("ingest", conversation_id="list", content="Buy gaiters.", source="phone")
    await door.result("ingest", conversation_id="work", content="The audit is on Monday.", source="desk")
    await rag.vectors.drain()


async def snapshot(owner: asyncpg.Connection) -> list[object]:
    tables = ("conversation", "message", "passage", "embedding", "term_statistic", "tombstone")
    return [await owner.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]


async def test_forget_removes_nothing_until_it_is_told_to(
    door: Door, diary: None, owner: asyncpg.Connection
) -> None:
    before = await snapshot(owner)
    reply = await door.call("forget", conversation_ids=["diary"])
    assert reply.structured_content == {
        "dry_run": True, "conversation_ids": ["diary"], "messages": 3, "passages": 3, "vectors": 3,
    }  # fmt: skip
    assert reply.content[0].text.startswith("Nothing was removed. This would remove 3 messages, 3 passages")
    assert await snapshot(owner) == before


async def test_nothing_of_a_forgotten_conversation_stays_in_any_table(
    door: Door, diary: None, owner: asyncpg.Connection
) -> None:
    words = ("capercaillie", "Bartholomew", "glacier", "Cairngorms", "diary", "Ana", "trip")
    assert all([await inspection.places(owner, word) for word in words])
    dry = await door.result("forget", conversation_ids=["diary"])
    done = await door.result("forget", conversation_ids=["diary"], dry_run=False)
    assert done == dry | {"dry_run": False}
    assert [place for word in words for place in await inspection.places(owner, word)] == []
    assert await owner.fetchval("SELECT count(*) FROM embedding") == 2
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_what_was_forgotten_is_found_by_no_tool(door: Door, diary: None) -> None:
    await door.result("forget", conversation_ids=["diary"], dry_run=False)
    found = await door.result("search", query="capercaillie glacier")
    assert "diary" not in [hit["conversation_id"] for hit in found["results"]]
    assert not (await door.result("ask", question="Who was the guide?"))["answered"]
    listed = await door.result("list_conversations")
    assert [c["conversation_id"] for c in listed["conversations"]] == ["work", "list"]
    assert "No conversation has the id 'diary'" in await door.refusal("fetch", id="diary")


async def test_what_was_forgotten_is_not_stored_again_unless_it_is_asked_back(
    door: Door, diary: None, owner: asyncpg.Connection
) -> None:
    await door.result("forget", conversation_ids=["diary"], dry_run=False)
    longer = [*DIARY, {"text": "And a new day.", "message_id": "m4"}]
    refused = await door.result("ingest", conversation_id="diary", messages=longer)
    assert (refused["added"], refused["message_count"]) == (0, 0)
    (skip,) = refused["skipped"]
    assert skip.get("index") is None
    assert "was forgotten on" in skip["reason"]
    assert "restore=true" in skip["reason"]
    assert await inspection.places(owner, "capercaillie") == []

    back = await door.result("ingest", conversation_id="diary", messages=longer, restore=True)
    assert (back["added"], back["skipped"]) == (4, [])
    again = await door.result("ingest", conversation_id="diary", messages=longer)
    assert (again["unchanged"], again["skipped"]) == (4, [])


async def test_one_message_is_forgotten_and_the_others_keep_their_addresses(
    door: Door, diary: None, owner: asyncpg.Connection
) -> None:
    dry = await door.result("forget", conversation_ids=["diary"], position=1)
    assert (dry["messages"], dry["passages"], dry["vectors"]) == (1, 1, 1)
    await door.result("forget", conversation_ids=["diary"], position=1, dry_run=False)
    assert await inspection.places(owner, "Bartholomew") == []
    fetched = await door.result("fetch", id="diary")
    assert ("#0" in fetched["text"], "#1" in fetched["text"], "#2" in fetched["text"]) == (True, False, True)
    assert fetched["metadata"]["message_count"] == 2
    assert "has no message 1" in await door.refusal("fetch", id="diary#1")
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_a_forgotten_message_stays_away_from_later_imports_even_when_edited(
    door: Door, diary: None, owner: asyncpg.Connection
) -> None:
    await door.result("forget", conversation_ids=["diary"], position=1, dry_run=False)
    edited = [DIARY[0], DIARY[1] | {"text": "The guide was Bartholomew Smith."}, *DIARY[2:]]
    receipt = await door.result(
        "ingest", conversation_id="diary", messages=[*edited, {"text": "Home again."}]
    )
    assert (receipt["added"], receipt["unchanged"], receipt["message_count"]) == (1, 2, 3)
    assert [(skip["index"], "was forgotten" in skip["reason"]) for skip in receipt["skipped"]] == [(1, True)]
    assert await inspection.places(owner, "Bartholomew") == []
    back = await door.result("ingest", conversation_id="diary", messages=edited, restore=True)
    assert (back["added"], back["skipped"]) == (1, [])


async def test_a_whole_source_is_forgotten_at_once_and_each_of_its_conversations_stays_away(
    door: Door, diary: None
) -> None:
    receipt = await door.result("forget", source="phone", dry_run=False)
    assert sorted(receipt["conversation_ids"]) == ["diary", "list"]
    listed = await door.result("list_conversations")
    assert [c["conversation_id"] for c in listed["conversations"]] == ["work"]
    for name in ("diary", "list"):
        assert (await door.result("ingest", conversation_id=name, content="again"))["skipped"]


async def test_a_forgotten_section_of_a_document_stays_away_and_the_rest_can_change(door: Door) -> None:
    parts = [
        f"# Part {n}\n\nThe {word} is here.\n\n" for n, word in enumerate(("anvil", "bellows", "chisel"))
    ]
    await door.result("ingest", conversation_id="book", content="".join(parts), kind="document")
    await door.result("forget", conversation_ids=["book"], position=1, dry_run=False)
    parts[2] = parts[2].replace("chisel", "crucible")
    receipt = await door.result("ingest", conversation_id="book", content="".join(parts), kind="document")
    assert (receipt["added"], receipt["unchanged"], receipt["removed"]) == (1, 1, 1)
    assert len(receipt["skipped"]) == 1
    assert (await door.result("search", query="bellows"))["confidence"] == "none"


async def test_a_forget_that_names_nothing_or_too_much_is_refused_and_removes_nothing(
    door: Door, diary: None, owner: asyncpg.Connection
) -> None:
    before = await snapshot(owner)
    for arguments, words in REFUSED:
        assert words in await door.refusal("forget", **arguments, dry_run=False)
    assert await snapshot(owner) == before


async def test_an_import_that_waits_for_a_forget_to_end_does_not_bring_it_back(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    await rag.ingest("diary", [NewMessage(text="A secret.")])
    async with owner.transaction():
        await owner.execute("SELECT FROM conversation FOR UPDATE")
        forgetting = asyncio.create_task(rag.forget(conversation_ids=["diary"], dry_run=False))
        await eventually(lambda: owner.fetchval(f"SELECT ({inspection.WAITING}) = 1"))
        importing = asyncio.create_task(rag.ingest("diary", [NewMessage(text="A secret.")]))
        await eventually(lambda: owner.fetchval(f"SELECT ({inspection.WAITING}) = 2"))
    assert (await forgetting).messages == 1
    assert "was forgotten" in (await importing).skipped[0].reason
    assert await inspection.places(owner, "diary") == []


async def test_a_forget_that_waits_for_an_import_to_end_takes_what_it_brought(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    await rag.ingest("diary", [NewMessage(text="A secret.")])
    async with owner.transaction():
        # The ingest writes statistics last, and those refer to the tenant.
        await owner.execute("SELECT FROM tenant FOR UPDATE")
        importing = asyncio.create_task(rag.ingest("diary", [NewMessage(text="Another one.")]))
        await eventually(lambda: owner.fetchval(f"SELECT ({inspection.WAITING}) = 1"))
        forgetting = asyncio.create_task(rag.forget(conversation_ids=["diary"], dry_run=False))
        await eventually(lambda: owner.fetchval(f"SELECT ({inspection.WAITING}) = 2"))
    assert (await importing).added == 1
    assert (await forgetting).messages == 2
    assert await inspection.places(owner, "diary") == []
    assert await inspection.statistics(owner) == []


async def test_what_is_forgotten_while_it_waits_for_its_vectors_leaves_none(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    await rag.ingest("short", [NewMessage(text="A short life.")])
    await rag.forget(conversation_ids=["short"], dry_run=False)
    assert await rag.vectors.drain() == 0
    assert (await rag.search("life", filters=Filters(conversation_id="short"))).total == 0
    assert await owner.fetchval("SELECT count(*) FROM passage") == 0
