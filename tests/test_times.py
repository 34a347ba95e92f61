"""The time a question speaks of: what was said then ranks higher, and the rest still comes."""

from datetime import UTC, datetime, timedelta, timezone

from mcp_rag.rag import Rag
from tests.chats import ids, keep, ranked_higher

FRIDAY = datetime(2026, 5, 22, 12, tzinfo=UTC)
DAYS = ["2025-05-06", "2026-01-31", "2026-04-30", "2026-05-08", "2026-05-19", "2026-05-20", "2026-05-21"]


def at(day: str, hour: int = 9) -> datetime:
    return datetime.fromisoformat(f"{day}T{hour:02}:00+00:00")


async def keep_a_talk_of_every_day(rag: Rag) -> None:
    """The same words on several days: chat#0 is of the first of them."""
    await keep(rag, "chat", *(("Ana", "The boat must be painted.", at(day)) for day in DAYS))


ASKED = {
    "What did we say last Tuesday about the boat?": {"2026-05-19"},
    "yesterday's talk about the boat": {"2026-05-21"},
    "What did we say two weeks ago about the boat?": {"2026-05-08"},
    "the boat, since Wednesday": {"2026-05-20", "2026-05-21"},
    "the boat on 31 January": {"2026-01-31"},
    "the boat in May 2025": {"2025-05-06"},
    "the boat in May": {"2025-05-06", "2026-05-08", "2026-05-19", "2026-05-20", "2026-05-21"},
    "the boat before 2026": {"2025-05-06"},
    "the boat yesterday and last Tuesday": {"2026-05-19", "2026-05-21"},
    "the boat lately": set(),
    "the boat every Tuesday": set(),
    "the boat next month": set(),
}


async def test_what_was_said_in_the_time_that_is_asked_for_ranks_higher(rag: Rag) -> None:
    await keep_a_talk_of_every_day(rag)
    higher = {question: await ranked_higher(rag, question, "time", now=FRIDAY) for question in ASKED}
    assert {
        question: {DAYS[int(hit.partition("#")[2])] for hit in hits} for question, hits in higher.items()
    } == ASKED


async def test_what_was_said_then_comes_first_and_what_was_said_at_other_times_still_comes(rag: Rag) -> None:
    await keep_a_talk_of_every_day(rag)
    for question in ("What did we say last Tuesday about the boat?", "our talk in May about the boat"):
        found = await rag.search(question, limit=50, now=FRIDAY)
        higher = await ranked_higher(rag, question, "time", now=FRIDAY)
        assert found.total == len(DAYS) > len(higher)
        assert set(ids(found)[: len(higher)]) == higher


async def test_a_time_is_counted_from_the_moment_and_in_the_zone_of_the_one_who_asks(rag: Rag) -> None:
    await keep(rag, "chat", ("Ana", "The boat is late.", at("2026-05-21", hour=20)))
    question = "What about the boat yesterday?"
    assert await ranked_higher(rag, question, "time", now=FRIDAY) == {"chat#0"}
    assert await ranked_higher(rag, question, "time", now=FRIDAY + timedelta(days=1)) == set()
    tokyo = FRIDAY.astimezone(timezone(timedelta(hours=9)))
    assert await ranked_higher(rag, question, "time", now=tokyo) == set()
    assert await ranked_higher(rag, "What about the boat today?", "time", now=tokyo) == {"chat#0"}


async def test_a_message_without_a_date_is_found_whatever_the_time_that_is_asked_for(rag: Rag) -> None:
    await keep(rag, "chat", ("Ana", "The boat is painted."))
    found = await rag.search("Was the boat painted yesterday?", now=FRIDAY)
    assert ids(found) == ["chat#0"]


MEANT = {
    "yesterday": "7 May 2023",
    "tomorrow": "9 May 2023",
    "next month": "June 2023",
    "two years ago": "2021",
    "last Friday": "5 May 2023",
}


async def test_a_message_is_found_by_the_day_that_it_means(rag: Rag) -> None:
    for said in (*MEANT, "again"):
        for day in ("2023-05-08", "2024-11-20"):
            await keep(rag, f"{said}, {day}", ("Ana", f"We go to the aquarium {said}.", at(day)))
    for said, day in MEANT.items():
        found = await rag.search(f"aquarium {day}", explain=True, now=FRIDAY)
        words = {hit.conversation_id: (hit.why or {}).get("words", 0) for hit in found.results}
        assert max(words, key=lambda name: words[name]) == f"{said}, 2023-05-08", words


async def test_text_is_shown_as_it_was_said_without_the_days_that_it_is_found_by(rag: Rag) -> None:
    await keep(rag, "a", ("Ana", "We go to the aquarium tomorrow.", at("2023-05-08")))
    found = await rag.search("aquarium 9 May 2023", whole=True)
    assert found.results[0].text == "We go to the aquarium tomorrow."
