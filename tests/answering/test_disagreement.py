import pytest

from mcp_rag.answering.disagreement import differ

DIFFERENT = [
    ("The code of the gate is 4711.", "The code of the gate is 4712."),
    ("The meeting is at 3 pm on Friday.", "The meeting has moved to 4 pm on Friday."),
    ("The opening is on 14 March.", "The opening has been put off to 21 March."),
    ("We chose Postgres for the store.", "We chose MySQL for the store now."),
    ("Haberkorn supplies our flour.", "Ostertag supplies our flour now."),
    ("The oven is repaired.", "The oven isn't repaired."),
    ("Der Ofen ist repariert.", "Der Ofen ist nicht repariert."),
    ("La reunión del equipo es el lunes.", "La reunión del equipo no es el lunes."),
]
NO_DIFFERENCE = [
    ("The code of the gate is 4711.", "The code of the gate is 4711, as before."),
    ("The opening is on 14 March.", "The opening is on 14 March 2026, at 9."),
    ("The ferry leaves at 9.", "I counted 34 gulls from the pier."),
    ("Ana has 2 dogs.", "Ana is 34."),
    ("I love sailing with my brother.", "My brother taught me sailing."),
    ("Thanks, Ana!", "Thanks, Ben!"),
    ("", "The oven isn't repaired."),
    ("!!!", "???"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_said_otherwise_of_one_thing_differs(one: str, other: str) -> None:
    assert differ(one, other)
    assert differ(other, one)


@pytest.mark.parametrize(("one", "other"), NO_DIFFERENCE)
def test_what_adds_to_a_thing_or_is_about_another_does_not(one: str, other: str) -> None:
    assert not differ(one, other)
    assert not differ(other, one)
    assert not differ(one, one)
