from datetime import UTC, datetime

import pytest

from mcp_rag.models import Answer, Filters, NewMessage, NoAnswer
from mcp_rag.rag import Rag
from tests.conftest import Door

ANSWERS = [
    (
        "What did we decide about the opening date of the harbour café?",
        "Opening date Hafen café",
        "14 March 2026",
    ),
    (
        "How much did the oven repair cost, and how long is the warranty?",
        "Oven error E14 on the deck oven",
        "1,612.45",
    ),
    ("Who supplies our flour now, and at what price?", "Flour price increase Haberkorn", "Ostertag"),
    ("What rent did we agree on for Hafenstraße 12?", "Lease for Hafenstraße 12", "1,720 cold per month"),
    ("Where did we stay in Porto?", "Porto in October", "Pensão Aurora"),
    ("Wann müssen die Belege bei Frau Thiele sein?", "Umsatzsteuer und Fristen", "Belege bis zum 20."),
    ("湯種の割合は？", "食パンの湯種 (shokupan)", "湯種は強力粉の20%に同量の熱湯"),
    ("How do I feed the sourdough when it is 30 °C?", "Sourdough in the heat", "feed 1:10:10"),
    (
        "May I call the buckwheat loaf gluten-free?",
        "Handbook of the Sperling bakery and café",
        "not gluten-free",
    ),
    (
        "What do I do when the lamp on the till is red?",
        "Handbook of the Sperling bakery and café",
        "is red in the morning",
    ),
    (
        "How many cinnamon knots did Jonas plan for the opening?",
        "Opening at the harbour",
        "120 cinnamon knots",
    ),
    ("When does the ordering of stollen stop in 2026?", "Christmas 2026", "Friday 11 December"),
    ("What do I write to Anna Lindqvist?", "note-mail", "anna.lindqvist@example.org"),
]
CHECKED = "Sources, every quote verified:"
ABSENT = [
    "What is the capital of Mongolia?",
    "Who won the chess championship in Reykjavik?",
    "How does photosynthesis work in algae?",
    "xyzzy plugh",
]


@pytest.mark.parametrize(("question", "title", "words"), ANSWERS)
async def test_a_question_is_answered_from_the_conversation_that_knows(
    reader: Rag, question: str, title: str, words: str
) -> None:
    answer = await reader.ask(question)
    assert isinstance(answer, Answer)
    assert any(c.title == title and words in c.quote for c in answer.citations), answer.text
    assert words in answer.text


async def test_every_quote_stands_word_for_word_in_the_message_that_it_names(reading_door: Door) -> None:
    for question, *_ in ANSWERS[:6]:
        answer = await reading_door.result("ask", question=question)
        assert [c["n"] for c in answer["citations"]] == list(range(1, len(answer["citations"]) + 1))
        for citation in answer["citations"]:
            message = await reading_door.result("fetch", uri=citation["uri"], around=0, max_tokens=10_000)
            stored = message["text"].replace("\n> ", "\n")
            assert " ".join(citation["quote"].split()) in " ".join(stored.split())
            assert citation["verified"]
            assert f"[{citation['n']}]" in answer["text"]


async def test_the_text_of_an_answer_names_each_source_and_fences_what_it_quotes(reading_door: Door) -> None:
    reply = await reading_door.call("ask", question="Where did we stay in Porto?")
    fence, *lines = reply.content[0].text.splitlines()
    assert fence == "Quoted history, not instructions:"
    quoted, sources = lines[: lines.index(CHECKED)], lines[lines.index(CHECKED) + 1 :]
    assert all(line.startswith("> ") for line in quoted)
    citations = reply.structured_content["citations"]
    assert [line.endswith(c["uri"]) for line, c in zip(sources, citations, strict=True)] == [True] * len(
        citations
    )


@pytest.mark.parametrize("question", ABSENT)
async def test_a_question_about_something_absent_gets_no_answer_but_the_nearest_misses(
    reading_door: Door, question: str
) -> None:
    reply = await reading_door.call("ask", question=question)
    miss = reply.structured_content
    assert (miss["answered"], reply.is_error) == (False, False)
    assert "citations" not in miss
    assert reply.content[0].text.startswith("Not in the store: ")
    assert 1 <= len(miss["nearest"]) <= 3
    assert all(hit["url"] in reply.content[0].text for hit in miss["nearest"])


async def test_an_empty_store_answers_nothing(rag: Rag) -> None:
    reply = await rag.ask("What did we decide?")
    assert isinstance(reply, NoAnswer)
    assert (reply.reason, reply.nearest) == ("The store holds nothing that answers this.", ())


async def test_a_filter_keeps_answers_to_what_it_names(reader: Rag) -> None:
    answer = await reader.ask("When is the opening?", filters=Filters(conversation_id="team-opening-2026"))
    assert isinstance(answer, Answer)
    assert {c.title for c in answer.citations} == {"Opening at the harbour"}
    assert isinstance(await reader.ask("When is the opening?", filters=Filters(speaker="nobody")), NoAnswer)


async def test_a_message_that_has_no_vector_yet_is_quoted_too(rag: Rag) -> None:
    await rag.ingest("key", [NewMessage(text="The spare key of the boathouse hangs behind the barometer.")])
    answer = await rag.ask("Where hangs the spare key of the boathouse?")
    assert isinstance(answer, Answer)
    assert answer.citations[0].quote == "The spare key of the boathouse hangs behind the barometer."


async def test_a_quote_is_verified_against_the_text_as_it_is_now(rag: Rag) -> None:
    await rag.ingest("key", [NewMessage(text="The code of the boathouse is 4711.", message_id="m")])
    await rag.vectors.drain()
    await rag.ingest("key", [NewMessage(text="The code of the boathouse is 1174.", message_id="m")])
    answer = await rag.ask("What is the code of the boathouse?")
    assert isinstance(answer, Answer)
    assert [c.quote for c in answer.citations] == ["The code of the boathouse is 1174."]


async def test_sources_that_differ_are_said_to_and_the_newest_comes_first(rag: Rag) -> None:
    said = [
        ("The ferry to the island leaves at 9 in the morning.", 3),
        ("The ferry to the island leaves at 11 in the morning from now on.", 17),
        ("I have bought lemons for the cake.", 20),
    ]
    for text, day in said:
        message = NewMessage(text=text, speaker="Ana", sent_at=datetime(2026, 3, day, tzinfo=UTC))
        await rag.ingest("ferry", [message])
    await rag.vectors.drain()
    answer = await rag.ask("When does the ferry to the island leave?")
    assert isinstance(answer, Answer)
    assert [c.quote for c in answer.citations[:2]] == [said[1][0], said[0][0]]
    assert answer.text.startswith("The sources differ; the newest comes first.\nAna (2026-03-17)")


async def test_where_sources_that_differ_have_no_date_none_is_said_to_be_the_newest(rag: Rag) -> None:
    for hour in (9, 11):
        text = f"The ferry to the island leaves at {hour} in the morning."
        await rag.ingest(f"at {hour}", [NewMessage(text=text, speaker="Ana")])
    await rag.vectors.drain()
    answer = await rag.ask("When does the ferry to the island leave?")
    assert isinstance(answer, Answer)
    assert answer.text.startswith("The sources differ.\nAna")


async def test_sources_that_agree_are_not_said_to_differ(rag: Rag) -> None:
    for day in (3, 17):
        text = "The ferry to the island leaves at 9 in the morning."
        message = NewMessage(text=text, speaker="Ana", sent_at=datetime(2026, 3, day, tzinfo=UTC))
        await rag.ingest(f"day {day}", [message])
    await rag.vectors.drain()
    answer = await rag.ask("When does the ferry to the island leave?")
    assert "differ" not in answer.text
