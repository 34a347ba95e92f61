"""Messages found by what was said just before them and around them."""

from datetime import UTC, datetime, timedelta

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from tests.chats import ids, keep

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUESTION = ("Ana", "Which instrument does your cousin play in the orchestra?")
ANSWER = ("Ben", "The oboe, ever since she was six.")
OTHER = ("Ana", "Did you see the weather report for Sunday?")


async def parts(rag: Rag, question: str, part: str) -> dict[str, float]:
    """What a part adds to the score of each hit."""
    found = await rag.search(question, explain=True, limit=50)
    return {hit.id: (hit.why or {}).get(part, 0.0) for hit in found.results}


async def test_an_answer_without_a_word_of_the_question_is_found_by_the_question_before_it(rag: Rag) -> None:
    await keep(rag, "apart", OTHER, ANSWER)
    await keep(rag, "together", QUESTION, ANSWER)
    for n in range(6):
        await keep(rag, f"other-{n}", ("Ana", f"I bought {n} apples."), ("Ben", "They were rather sour."))
    await rag.vectors.drain()
    asked = "What instrument is played by the cousin?"
    found = ids(await rag.search(asked))
    assert found[:2] == ["together#0", "together#1"]
    replies = await parts(rag, asked, "reply")
    assert replies["together#1"] > replies["apart#1"]


async def test_a_message_is_found_by_the_words_of_those_around_it(rag: Rag) -> None:
    said = ("Ben", "She keeps the violin at home.")
    await keep(rag, "apart", OTHER, said)
    await keep(rag, "before", ("Ana", "Which violin did the museum lend to her?"), said)
    await keep(rag, "after", said, ("Ana", "The violin that the museum has lent to her?"))
    segment = await parts(rag, "violin lent by the museum", "segment")
    assert segment["before#1"] > segment["apart#1"]
    assert segment["after#0"] > segment["apart#1"]


async def test_what_was_said_before_a_pause_or_on_another_day_does_not_belong_to_it(rag: Rag) -> None:
    said = ("Ben", "She keeps the violin at home.")
    lent = ("Ana", "Which violin did the museum lend to her?", NOON)
    pauses = {"minutes": timedelta(hours=2, minutes=59), "hours": timedelta(hours=3, minutes=1)}
    pauses |= {"a day": timedelta(days=1), "the other way": -timedelta(days=1)}
    for name, pause in pauses.items():
        await keep(rag, name, lent, (*said, NOON + pause))
    await rag.vectors.drain()
    for part in ("segment", "reply"):
        found = await parts(rag, "violin lent by the museum", part)
        later = [found[f"{name}#1"] for name in pauses if name != "minutes"]
        assert found["minutes#1"] > max(later), part


async def test_a_segment_has_eight_messages_at_most(rag: Rag) -> None:
    more = [("Ben", f"She keeps violin number {n} at home.") for n in range(8)]
    await keep(rag, "long", ("Ana", "Which violin did the museum lend to her?"), *more)
    segment = await parts(rag, "violin lent by the museum", "segment")
    assert len({segment[f"long#{n}"] for n in range(8)}) == 1
    assert segment["long#8"] < segment["long#0"]


async def test_a_long_message_is_a_segment_of_its_own(rag: Rag) -> None:
    lent = ("Ana", "Which violin did the museum lend to her?")
    await keep(rag, "long", lent, ("Ben", "She keeps the violin at home. " + "It is very old. " * 150), lent)
    segment = await parts(rag, "violin lent by the museum", "segment")
    assert segment["long#1"] < segment["long#0"] == segment["long#2"]


async def test_sections_of_a_document_are_no_replies_to_one_another(rag: Rag) -> None:
    texts = ["# Music\n\nWhich instrument does the cousin play?\n\n", "# Oboe\n\nSince she was six.\n\n"]
    await rag.ingest("chat", [NewMessage(text=text) for text in texts])
    await rag.ingest("document", [NewMessage(text=text) for text in texts], kind="document")
    await rag.vectors.drain()
    replies = await parts(rag, "What instrument is played by the cousin?", "reply")
    assert replies["chat#1"] > replies["document#1"]
