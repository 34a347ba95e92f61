"""Segments, names and replies after any change are what storing the same anew would have made."""

import json
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest

from mcp_rag.models import Address, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.chats import persons
from tests.conftest import Borrowed, eventually

SEGMENTS = """
    SELECT
        (SELECT count(*) FROM message WHERE conversation_key = c.conversation_key AND position < first),
        (SELECT count(*) FROM message WHERE conversation_key = c.conversation_key AND position <= last),
        weights::text
    FROM segment JOIN conversation AS c USING (tenant_id, conversation_key)
    WHERE conversation_id = $1 ORDER BY first
"""
NAMES = """
    SELECT name, speaker FROM speaker_name JOIN conversation USING (tenant_id, conversation_key)
    WHERE conversation_id = $1 ORDER BY name, speaker
"""
VECTORS = """
    SELECT position, start, text, vector::text, reply::text
    FROM conversation
    JOIN message USING (tenant_id, conversation_key)
    JOIN passage USING (tenant_id, conversation_key, message_key)
    LEFT JOIN embedding USING (tenant_id, passage_key)
    WHERE conversation_id = $1 ORDER BY position, start
"""
SPEAKERS = ["Melanie Ortiz", "Ben", "Mark", None]
TEXTS = [
    "We took the ferry to the harbour, and it was late again.",
    "Good morning, Mel! Did you see the boat? Mel?",
    "I will mark the date in the calendar.",
    "The tram was full, so we had to walk to the market. " * 20,
    "Thanks, Ben.",
]
PAUSES = [timedelta(minutes=5), timedelta(hours=2, minutes=50), timedelta(hours=4), timedelta(days=1)]


class Talk:
    """A chat that is changed at random, each message with an id of its own."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sent = [NewMessage(message_id="m0", speaker="Ben", text="Hello Mel, and hello Mel's boat.")]
        self.title: str | None = None

    def change(self) -> None:
        """What is sent next is longer, or says something else, or has another title."""
        match self.chance.randrange(4):
            case 0:
                place = self.chance.randrange(len(self.sent))
                self.sent[place] = self._message(self.sent[place].message_id)
            case 1:
                self.title = self.chance.choice(["Sailing", "At sea"])
            case _:
                for _ in range(self.chance.randrange(1, 7)):
                    self.sent.append(self._message(f"m{len(self.sent)}"))

    def _message(self, name: str | None) -> NewMessage:
        last = self.sent[-1].sent_at
        return NewMessage(
            message_id=name,
            speaker=self.chance.choice(SPEAKERS),
            text=self.chance.choice(TEXTS),
            sent_at=(last or datetime(2026, 1, 1, tzinfo=UTC)) + self.chance.choice(PAUSES),
        )


async def surroundings(owner: asyncpg.Connection, name: str) -> tuple[list[tuple], list[tuple]]:
    segments = [tuple(row) for row in await owner.fetch(SEGMENTS, name)]
    return segments, [tuple(row) for row in await owner.fetch(NAMES, name)]


@pytest.mark.parametrize("seed", range(2))
async def test_after_any_change_they_are_what_a_fresh_ingest_would_make(
    rag: Rag, owner: asyncpg.Connection, seed: int
) -> None:
    talk = Talk(seed)
    for _ in range(8):
        talk.change()
        await rag.ingest("talk", talk.sent, title=talk.title)
        if talk.chance.random() < 0.2:
            await forget_one(rag, talk.chance)
        await rag.vectors.drain()
        await rag.ingest("fresh", await as_stored(rag), title=talk.title, restore=True)
        assert await surroundings(owner, "talk") == await surroundings(owner, "fresh")
        await rag.forget(conversation_ids=["fresh"], dry_run=False)
    await rag.ingest("fresh", await as_stored(rag), title=talk.title, restore=True)
    await rag.vectors.drain()
    assert_alike(await owner.fetch(VECTORS, "talk"), await owner.fetch(VECTORS, "fresh"))


async def forget_one(rag: Rag, chance: random.Random) -> None:
    held = (await rag.fetch(Address(conversation_id="talk"))).messages
    if len(held) > 1:
        place = chance.choice(held).position
        await rag.forget(conversation_ids=["talk"], position=place, dry_run=False)


async def as_stored(rag: Rag) -> list[NewMessage]:
    messages = (await rag.fetch(Address(conversation_id="talk"))).messages
    return [NewMessage(speaker=m.speaker, sent_at=m.sent_at, text=m.text) for m in messages]


def assert_alike(some: list[asyncpg.Record], others: list[asyncpg.Record]) -> None:
    """The same passages, with vectors that differ by no more than the batch makes of them."""
    assert [row["text"] for row in some] == [row["text"] for row in others]
    for mine, other in zip(some, others, strict=True):
        for vector in ("vector", "reply"):
            a, b = (json.loads(row[vector] or "[]") for row in (mine, other))
            assert len(a) == len(b), (vector, mine["position"])
            assert not a or np.dot(a, b) > 0.98, (vector, mine["position"])


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def dated(text: str, minutes: int, name: str | None = None) -> NewMessage:
    return NewMessage(text=text, speaker="Ana", sent_at=NOON + timedelta(minutes=minutes), message_id=name)


async def lengths(owner: asyncpg.Connection) -> list[int]:
    rows = await owner.fetch("SELECT last - first + 1 FROM segment ORDER BY conversation_key, first")
    return [row[0] for row in rows]


async def test_a_message_whose_time_is_corrected_joins_the_segment_before_it(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    asked = dated("Which violin did the museum lend?", 0, "a")
    await rag.ingest("talk", [asked, dated("The old one.", 500, "b")])
    assert await lengths(owner) == [1, 1]
    await rag.ingest("talk", [asked, dated("The old one.", 5, "b")])
    assert await lengths(owner) == [2]


async def test_a_reply_is_embedded_anew_when_what_it_answers_changes(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    answer = dated("The oboe, since she was six.", 5, "b")
    await rag.ingest("talk", [dated("How is the weather?", 0, "a"), answer])
    await rag.vectors.drain()
    asked = "What instrument does the cousin play?"
    before = (await rag.search(asked, explain=True)).results
    await rag.ingest("talk", [dated("Which instrument does your cousin play?", 0, "a"), answer])
    await rag.vectors.drain()
    await rag.ingest("fresh", await as_stored(rag))
    await rag.vectors.drain()
    assert len(before) == 2
    assert_alike(await owner.fetch(VECTORS, "talk"), await owner.fetch(VECTORS, "fresh"))


async def test_a_name_that_no_message_has_any_more_is_nobodys(rag: Rag) -> None:
    boat = NewMessage(speaker="Melanie", text="The boat is here.", message_id="a")
    await rag.ingest("talk", [boat, NewMessage(speaker="Ben", text="Mel? Mel!", message_id="b")])
    assert await persons(rag, "Mel's boat") == {"Melanie"}
    await rag.ingest("talk", [boat, NewMessage(speaker="Ben", text="Hello.", message_id="b")])
    assert await persons(rag, "Mel's boat") == set()
    assert await persons(rag, "Melanie's boat") == {"Melanie"}


async def test_a_short_form_is_known_from_the_message_on_that_makes_it_one(rag: Rag) -> None:
    said = [NewMessage(speaker="Melanie", text="The boat is here."), NewMessage(speaker="Ben", text="Mel?")]
    await rag.ingest("talk", said)
    assert await persons(rag, "Mel's boat") == set()
    await rag.ingest("talk", [*said, NewMessage(speaker="Ben", text="Mel!")])
    assert await persons(rag, "Mel's boat") == {"Melanie"}


async def test_what_stood_around_a_forgotten_message_is_made_again_at_once(
    store: Store, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    rag = Rag(store, Borrowed(embedder))
    said = [
        NewMessage(speaker="Ana", text="The boat is here."),
        NewMessage(speaker="Zed", text="Which boat?"),
    ]
    rag.vectors.start()
    await rag.ingest("talk", [*said, NewMessage(speaker="Ana", text="The old boat.")])
    await eventually(lambda: all_embedded(rag))
    await rag.forget(conversation_ids=["talk"], position=1, dry_run=False)
    assert "zed" not in [row["name"] for row in await owner.fetch(NAMES, "talk")]

    async def made_again() -> bool:
        return await lengths(owner) == [3] and await all_embedded(rag)

    await eventually(made_again, within=10)
    assert [row["name"] for row in await owner.fetch(NAMES, "talk")] == ["ana"]
    assert await persons(rag, "Zed's boat") == set()
    await rag.vectors.close()


async def test_what_stood_around_a_forgotten_message_is_gone_with_it(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    said = [("Ana", "The boat is here."), ("Zed", "Which boat?"), ("Ana", "The old boat.")]
    await rag.ingest("talk", [NewMessage(speaker=speaker, text=text) for speaker, text in said])
    await rag.vectors.drain()
    await rag.forget(conversation_ids=["talk"], position=1, dry_run=False)
    assert [row["name"] for row in await owner.fetch(NAMES, "talk")] == []
    await rag.vectors.drain()
    assert [row["name"] for row in await owner.fetch(NAMES, "talk")] == ["ana"]


async def all_embedded(rag: Rag) -> bool:
    return (await rag.status()).pending == 0


async def test_forgetting_a_conversation_forgets_its_names_and_segments(
    rag: Rag, owner: asyncpg.Connection
) -> None:
    await rag.ingest("talk", [NewMessage(speaker="Ana", text="The boat is here.")])
    await rag.forget(conversation_ids=["talk"], dry_run=False)
    assert await surroundings(owner, "talk") == ([], [])
    assert await owner.fetchval("SELECT count(*) FROM segment") == 0
    assert await owner.fetchval("SELECT count(*) FROM speaker_name") == 0
