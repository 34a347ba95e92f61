import pytest

from mcp_rag import followups
from mcp_rag.models import Turn
from mcp_rag.rag import Rag

HISTORY = [
    Turn(role="user", text="Who repaired the deck oven?"),
    Turn(role="assistant", text="It was repaired by Petersen, after the error E14."),
]


@pytest.mark.parametrize(
    "question", ["What did it cost?", "And when was that?", "Why?", "Und wann?", "Did he come back?"]
)
def test_a_question_that_leans_on_the_one_before_is_looked_up_with_it(question: str) -> None:
    looked_up = followups.standing_alone(question, HISTORY)
    assert "Who repaired the deck oven?" in looked_up
    assert question in looked_up
    assert "Petersen" in looked_up


@pytest.mark.parametrize("question", ["Who supplies our flour?", "Where did Ana stay in Porto?"])
def test_a_question_that_says_all_by_itself_is_looked_up_as_it_is(question: str) -> None:
    assert followups.standing_alone(question, HISTORY) == question


def test_without_earlier_turns_nothing_is_added() -> None:
    assert followups.standing_alone("What did it cost?", []) == "What did it cost?"


def test_a_chain_of_such_questions_goes_back_to_the_one_that_names_its_subject() -> None:
    chain = [*HISTORY, Turn(role="user", text="What did it cost?"), Turn(role="assistant", text="1,612.45.")]
    assert "deck oven" in followups.standing_alone("And how long is its warranty?", chain)


def test_only_the_last_turns_are_read_and_no_more_of_each_than_there_is_room_for() -> None:
    long = [Turn(role="user", text=f"{n} {'x' * 5000}") for n in range(30)]
    read = followups.recent([*long, Turn(role="user", text="  ")])
    assert len(read) == followups.TURNS - 1
    assert all(len(turn.text) == followups.LONGEST_TURN for turn in read)


async def test_a_follow_up_is_answered_from_the_conversation_that_the_first_question_was_about(
    reader: Rag,
) -> None:
    history = [Turn(role="user", text="How much did the repair of the deck oven cost?")]
    reply = await reader.ask("How long is the warranty on that?", history=history)
    assert reply.answered
    assert "Oven error E14 on the deck oven" in {citation.title for citation in reply.citations}
