"""What a question is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_rag.decomposition import MOST, parts


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "What did we decide about the budget and the hiring plan?",
            ["What did we decide about the budget plan?", "What did we decide about the hiring plan?"],
        ),
        (
            "Who did Ana meet in Rome, and who paid for the hotel?",
            ["Who did Ana meet in Rome?", "who paid for the hotel?"],
        ),
        ("Where did Jon buy bread or butter?", ["Where did Jon buy bread?", "Where did Jon buy butter?"]),
        (
            "What did Mel and her family see on the trip?",
            ["What did Mel see on the trip?", "What did her family see on the trip?"],
        ),
        ("Compare Postgres versus MySQL", ["Compare Postgres", "Compare MySQL"]),
        (
            "What is slower, blue-green compared to rolling?",
            ["What is slower, blue-green?", "What is slower, rolling?"],
        ),
    ],
)
def test_a_question_that_names_two_things_is_a_question_for_each(question: str, expected: list[str]) -> None:
    assert parts(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "When do we open?",
        "What happened between 5 and 7 May?",
        "What did Ana say? And when did she say it?",
        "and",
        "and or and",
        "Who and what?",
        "",
        "Wann öffnen wir und wer kommt?",
        "What about the budget and the plan? " * 20,
        "a" + " " * 9_000 + "b",
    ],
)
def test_a_question_for_one_thing_is_left_whole(question: str) -> None:
    assert parts(question) == []


@given(
    st.text(st.sampled_from("ab .,?\n") | st.characters(), max_size=60)
    | st.lists(
        st.sampled_from(["and", "the", "budget", "who", "plan", "or", ",", "?", "5", "vs."]), max_size=12
    ).map(" ".join)
)
def test_whatever_is_asked_its_parts_are_few_and_shorter(question: str) -> None:
    found = parts(question)
    assert len(found) <= MOST
    assert all(len(part) <= len(question) + 1 for part in found)
