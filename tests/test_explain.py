"""Why a search gives what it gives, and why it does not give a certain message."""

import json
from datetime import UTC, datetime

import pytest

from mcp_rag.errors import InvalidInput, UnknownConversation, UnknownMessage
from mcp_rag.models import Address, Filters, NewMessage
from mcp_rag.rag import Rag
from tests.chats import keep

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


async def stored(rag: Rag) -> None:
    await keep(
        rag,
        "chat",
        ("Ana", "When do we open the café?", AT),
        ("Ben", "We open the café on 14 March.", AT),
        ("Ana", "The oven smells of burnt sugar.", AT),
    )
    await rag.vectors.drain()


async def test_it_says_how_the_question_was_understood(rag: Rag) -> None:
    await stored(rag)
    told = (await rag.explain("When did Ben open the café and the oven in March 2026?")).question
    assert told.embedded_as == "When did open the café and the oven in March 2026?"
    assert {word.word: word.passages for word in told.words} | {"café": 2, "oven": 1} == {
        word.word: word.passages for word in told.words
    }
    assert sum(word.share for word in told.words) == pytest.approx(1, abs=0.01)
    assert told.speakers == {"ben": 1.0}
    assert told.asks_when
    assert [time.split(": ")[1] for time in told.times] == ["from 2026-03-01 and before 2026-04-01"]
    assert len(told.parts) == 2


async def test_its_result_is_that_of_the_search_with_reasons(rag: Rag) -> None:
    await stored(rag)
    told = await rag.explain("opening the café", address=Address(conversation_id="chat", position=2))
    searched = await rag.search("opening the café", explain=True)
    assert told.result == searched
    assert all(hit.why for hit in told.result.results)


async def test_a_message_that_was_found_is_told_its_place_and_what_it_lacks(rag: Rag) -> None:
    await stored(rag)
    message = (
        await rag.explain("Where is the café?", address=Address(conversation_id="chat", position=2))
    ).message
    assert message.uri == "conversation://chat/messages/2"
    assert message.rank == 3
    assert "It has none of the question's words." in message.reasons
    assert any(reason.startswith("By meaning it has 0.00, the first hit 0.5") for reason in message.reasons)


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        (Filters(speaker="Ben"), "The filter wants the speaker 'Ben'; this is by 'Ana'."),
        (Filters(source="mail"), "The filter wants the source 'mail'; this is from None."),
        (Filters(conversation_id="other"), "The filter wants another conversation, 'other'."),
        (Filters(tags=("work",)), "The filter wants tags that its conversation does not have: work."),
        (Filters(since=datetime(2027, 1, 1, tzinfo=UTC)), "The filter wants what was said since 2027-01-01."),
        (
            Filters(until=datetime(2026, 1, 1, tzinfo=UTC)),
            "The filter wants what was said before 2026-01-01.",
        ),
    ],
)
async def test_a_message_that_a_filter_leaves_out_is_told_which(
    rag: Rag, filters: Filters, reason: str
) -> None:
    await stored(rag)
    address = Address(conversation_id="chat", position=0)
    told = await rag.explain("the café", address=address, filters=filters)
    assert told.message.rank is None
    assert told.message.score > 0
    assert told.message.reasons == (reason,)
    assert address.id not in [hit.id for hit in told.result.results]


async def test_a_message_beyond_the_reach_of_both_legs_is_told_so(rag: Rag) -> None:
    await stored(rag)
    await rag.ingest("many", [NewMessage(text=f"The café opens, café number {n}.") for n in range(120)])
    await rag.vectors.drain()
    told = await rag.explain("café opening", address=Address(conversation_id="chat", position=2))
    assert told.message.rank is None
    assert told.message.reasons[0] == "It has none of the question's words."
    assert told.message.reasons[1].startswith("By meaning it is not among the first 100: its likeness is 0.")


async def test_a_message_without_a_vector_is_told_that_it_waits_for_one(rag: Rag) -> None:
    await keep(rag, "chat", ("Ana", "The oven smells of burnt sugar."))
    told = await rag.explain("café", address=Address(conversation_id="chat", position=0))
    assert "Its vector is not made yet: until then it is found by its words alone." in told.message.reasons


async def test_what_is_no_message_is_refused(rag: Rag) -> None:
    await stored(rag)
    with pytest.raises(InvalidInput, match="is a conversation"):
        await rag.explain("café", address=Address(conversation_id="chat"))
    with pytest.raises(UnknownMessage):
        await rag.explain("café", address=Address(conversation_id="chat", position=9))
    with pytest.raises(UnknownConversation):
        await rag.explain("café", address=Address(conversation_id="cat", position=0))


async def test_an_explanation_can_be_read_as_json(rag: Rag) -> None:
    await stored(rag)
    told = await rag.explain("café", address=Address(conversation_id="chat", position=0))
    assert json.loads(told.model_dump_json())["message"]["rank"] in (1, 2)
