"""The messages around a hit: which they are, that they are told from it, and that none is shown twice."""

import pytest

from mcp_rag.models import Hit, NewMessage
from mcp_rag.rag import Rag
from tests.chats import keep
from tests.conftest import Door

TRIP = (
    ("Ana", "Good morning, all."),
    ("Ben", "The ferry leaves at nine."),
    ("Ana", "I bring the sandwiches."),
    ("Ben", "Who has the tickets?"),
    ("Cid", "My sister has those."),
    ("Ana", "See you at the pier!"),
)


@pytest.fixture
async def trip(rag: Rag) -> Rag:
    """A store with one chat, found by its words alone."""
    await keep(rag, "trip", *TRIP)
    return rag


def said(*positions: int) -> tuple[str, ...]:
    return tuple(f"{TRIP[n][0]}: {TRIP[n][1]}" for n in positions)


async def hits(rag: Rag, query: str, *, context: int = 1) -> dict[int, Hit]:
    """By position, in the order in which they are ranked."""
    return {hit.position: hit for hit in (await rag.search(query, context=context)).results}


async def test_a_hit_comes_with_as_many_messages_on_each_side_as_are_wanted_and_there_are(trip: Rag) -> None:
    expected = [
        ("sandwiches", 0, (), ()),
        ("sandwiches", 1, (1,), (3,)),
        ("sandwiches", 2, (0, 1), (3, 4)),
        ("sandwiches", 3, (0, 1), (3, 4, 5)),
        ("morning", 2, (), (1, 2)),
        ("pier", 2, (3, 4), ()),
    ]
    for query, context, before, after in expected:
        (hit,) = (await hits(trip, query, context=context)).values()
        assert (hit.before, hit.after) == (said(*before), said(*after)), (query, context)


async def test_one_message_on_each_side_comes_unless_told_otherwise(trip: Rag, door: Door) -> None:
    (hit,) = (await door.result("search", query="sandwiches"))["results"]
    assert (hit["before"], hit["after"]) == ([*said(1)], [*said(3)])
    (hit,) = (await door.result("search", query="sandwiches", context=0))["results"]
    assert not {"before", "after"} & hit.keys()


async def test_the_text_tells_a_hit_from_what_was_said_around_it(trip: Rag, door: Door) -> None:
    lines = (await door.call("search", query="sandwiches")).content[0].text.splitlines()
    start = lines.index(f"> {said(1)[0]}")
    assert lines[start : start + 3] == [f"> {said(1)[0]}", f">> {said(2)[0]}", f"> {said(3)[0]}"]


async def test_neighbours_are_the_nearest_that_are_left_where_messages_were_forgotten(trip: Rag) -> None:
    for position in (1, 3, 4):
        await trip.forget(conversation_ids=["trip"], position=position, dry_run=False)
    found = await hits(trip, "sandwiches")
    assert (found[2].before, found[2].after) == (said(0), said(5))


async def test_a_message_that_is_a_hit_is_not_shown_beside_another(trip: Rag) -> None:
    found = await hits(trip, "ferry sandwiches")
    assert (found[1].before, found[1].after) == (said(0), ())
    assert (found[2].before, found[2].after) == ((), said(3))


async def test_a_message_between_two_hits_is_shown_beside_the_better_one(trip: Rag) -> None:
    for query in ("who has tickets ferry", "tickets ferry leaves nine"):
        found = await hits(trip, query)
        better, other = (found[position] for position in list(found)[:2])
        assert {better.position, other.position} == {1, 3}
        assert said(2)[0] in better.before + better.after
        assert said(2)[0] not in other.before + other.after


async def test_neighbours_are_of_the_same_conversation_and_of_anyone(rag: Rag, door: Door) -> None:
    for name in ("monday", "tuesday"):
        await keep(
            rag, name, ("Ana", f"Soup on {name}."), ("Ben", "Is there bread?"), ("Ana", f"No: {name}.")
        )
    found = await door.result("search", query="bread", speaker="ben")
    assert [(hit["before"], hit["after"]) for hit in found["results"]] == [
        ([f"Ana: Soup on {hit['conversation_id']}."], [f"Ana: No: {hit['conversation_id']}."])
        for hit in found["results"]
    ]
    assert found["total"] == 2


async def test_a_long_neighbour_is_cut_and_a_message_without_a_speaker_stands_alone(rag: Rag) -> None:
    story = (
        "First it rained for a long while. " * 20
        + "Then the sandwiches were wet. "
        + "It rained again. " * 20
    )
    await rag.ingest("c", [NewMessage(text=story), NewMessage(text="We had a picnic with lemonade.")])
    (hit,) = [hit for hit in (await rag.search("picnic lemonade", context=1)).results if hit.position == 1]
    assert len(hit.before[0]) <= 162
    assert hit.before[0].startswith("First it rained")


@pytest.mark.parametrize("max_tokens", [400, 600, 900])
async def test_neighbours_leave_before_hits_do_when_not_all_fits(
    rag: Rag, door: Door, max_tokens: int
) -> None:
    long = "Nobody spoke of it again for the rest of the long and rainy day, and so it was left open. "
    for n in range(4):
        await keep(rag, f"c{n}", ("Ana", long), ("Ben", f"The bread is from bakery {n}."), ("Ana", long))
    query = {"query": "bread from a bakery", "max_tokens": max_tokens}
    bare = await door.result("search", context=0, **query)
    whole = await door.result("search", context=3, **query)
    shown = whole["results"]
    assert len(shown) == len(bare["results"])
    accompanied = [bool(hit.get("before") or hit.get("after")) for hit in shown]
    assert accompanied == sorted(accompanied, reverse=True)
