"""Questions that ask for two things, or date themselves by an event: one more look at the store."""

from datetime import UTC, datetime

from mcp_rag.rag import Rag
from tests.chats import ids, keep, persons, ranked_higher


def _before(order: list[str], one: str, other: str) -> bool:
    return order.index(one) < order.index(other)


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 10, tzinfo=UTC)


async def test_both_things_that_a_question_names_are_among_the_first_hits(rag: Rag) -> None:
    await keep(
        rag, "budget", *[("Mira", f"The budget of item {n} is settled, budget round {n}.") for n in range(8)]
    )
    await keep(rag, "oven", ("Jonas", "The warranty of the deck oven is 24 months."))
    await rag.vectors.drain()
    alone = await rag.search("What was said about the budget of item 3, its budget round?", limit=3)
    assert "oven#0" not in ids(alone)
    both = await rag.search(
        "What was said about the budget of item 3, and what about the oven warranty?", limit=3
    )
    assert "oven#0" in ids(both)
    assert any(hit.startswith("budget#") for hit in ids(both))


async def test_pages_of_a_question_for_two_things_have_each_message_once(rag: Rag) -> None:
    await keep(rag, "chat", *[("Mira", f"The budget and plan number {n}.") for n in range(12)])
    await keep(rag, "oven", ("Jonas", "The hiring starts in June."))
    await rag.vectors.drain()
    seen, cursor = [], None
    while True:
        page = await rag.search("What is with the budget and the hiring?", limit=3, cursor=cursor)
        seen += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == page.total


async def test_what_was_said_before_an_event_that_the_store_dates_ranks_higher(rag: Rag) -> None:
    await keep(
        rag,
        "flat",
        ("Ana", "Please water the ferns.", day(2, 1)),
        ("Ana", "The move to the Linden street flat is done, what a day!", day(5, 2)),
        ("Ana", "Please water the ferns.", day(6, 20)),
    )
    await rag.vectors.drain()
    before = "What did we say about the ferns before the move to the Linden street flat?"
    after = "What did we say about the ferns after the move to the Linden street flat?"
    assert await ranked_higher(rag, before, "time") == {"flat#0"}
    assert await ranked_higher(rag, after, "time") == {"flat#1", "flat#2"}
    assert _before(ids(await rag.search(before)), "flat#0", "flat#2")
    assert _before(ids(await rag.search(after)), "flat#2", "flat#0")


async def test_an_event_that_nobody_spoke_of_dates_nothing(rag: Rag) -> None:
    await keep(rag, "flat", ("Ana", "Please water the ferns.", day(2, 1)))
    await rag.vectors.drain()
    assert await ranked_higher(rag, "the ferns before the coronation of Napoleon", "time") == set()


async def test_of_two_people_named_apart_the_first_is_whose_words_are_asked_for(rag: Rag) -> None:
    await keep(
        rag,
        "plans",
        ("Ana", "I think the new shop is a fine idea."),
        ("Ben", "The shop will be a bakery."),
    )
    assert await persons(rag, "What does Ana think about Ben's shop?") == {"Ana"}
    assert await persons(rag, "What did Ben tell Ana of the shop?") == {"Ben"}
    assert await persons(rag, "What do Ana and Ben think of the shop?") == set()


async def test_a_month_that_is_also_a_name_is_a_month_where_the_question_dates_by_it(rag: Rag) -> None:
    await keep(
        rag, "chat", ("May", "The ferns are fine.", day(2, 1)), ("Ben", "The ferns need water.", day(5, 3))
    )
    assert await persons(rag, "What did May say of the ferns?") == {"May"}
    assert await persons(rag, "What was said of the ferns in May 2026?") == set()


async def test_a_time_that_only_bounds_a_question_is_no_word_to_look_for(rag: Rag) -> None:
    await keep(
        rag,
        "chat",
        ("Ben", "The ferns were moved.", datetime(2025, 8, 1, tzinfo=UTC)),
        ("Ben", "The ferns were moved again.", datetime(2026, 1, 5, tzinfo=UTC)),
    )
    await rag.vectors.drain()
    assert ids(await rag.search("What happened to the ferns before 2026?"))[0] == "chat#0"


async def test_a_message_that_says_when_ranks_higher_where_it_is_asked_when(rag: Rag) -> None:
    await keep(
        rag,
        "chat",
        ("Ben", "The opening of the café will be a big party."),
        ("Mira", "We moved the opening of the café to 14 March."),
    )
    await rag.vectors.drain()
    assert await ranked_higher(rag, "When is the opening of the café?", "dated") == {"chat#1"}
    assert await ranked_higher(rag, "Who comes to the opening of the café?", "dated") == set()
