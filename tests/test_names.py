"""Whom a question names, as search shows it: what that person said ranks higher, and nothing is left out."""

import pytest

from mcp_rag import names
from mcp_rag.models import Filters
from mcp_rag.rag import Rag
from tests.chats import Said, keep, persons

LAKE: tuple[Said, ...] = (
    ("Melanie Ortiz", "We swam in the lake."),
    ("Ben", "We swam in the lake."),
    ("Melanie Ortiz", "Thanks!"),
    ("Ben", "See you at the lake, Mel. Good luck, Mel!"),
)


NAMED = [
    "What did Melanie Ortiz do in the lake?",
    "what did melanie ortiz do in the lake",
    "Did Melanie swim in the lake?",
    "did ortiz swim in the lake",
    "Melanie's lake",
    "Melanie’s lake",
    "the Ortiz' lake",
    "lake, where Mel swam",
    "MELANIE LAKE",
]
NOT_NAMED = [
    "Who swam in the lake?",
    "Did Lani swim in the lake?",
    "Did Melanies swim in the lake?",
    "Mela's lake?",
]


async def test_a_person_is_named_by_the_whole_name_a_word_of_it_or_what_the_chat_calls_them(rag: Rag) -> None:
    await keep(rag, "lake", *LAKE)
    for question in NAMED:
        assert await persons(rag, question) == {"Melanie Ortiz"}, question
    for question in NOT_NAMED:
        assert await persons(rag, question) == set(), question


async def test_what_the_named_person_said_comes_first_and_what_others_said_still_comes(rag: Rag) -> None:
    await keep(rag, "lake", ("Melanie", "We swam in the lake."), ("Ben", "We swam in the lake."))
    await rag.vectors.drain()
    for named, other in (("Melanie", "Ben"), ("Ben", "Melanie")):
        found = await rag.search(f"What did {named} do in the lake?")
        assert [hit.speaker for hit in found.results] == [named, other]


async def test_a_better_answer_of_another_person_comes_before_a_poor_one_of_the_one_who_is_named(
    rag: Rag,
) -> None:
    await keep(rag, "gift", ("Ana", "Thanks, Ben!"), ("Ben", "Ana's grandmother gave her a silver locket."))
    await rag.vectors.drain()
    found = await rag.search("Which locket did the grandmother of Ana give her?")
    assert [hit.speaker for hit in found.results] == ["Ben", "Ana"]


async def test_a_question_prefers_one_person_however_often_named_and_neither_of_two_together(
    rag: Rag,
) -> None:
    await keep(rag, "lake", *LAKE)
    assert await persons(rag, "Did Ben and Melanie meet at the lake?") == set()
    assert await persons(rag, "Melanie and Ben, lake") == set()
    assert await persons(rag, "Did Mel swim in Melanie's lake?") == {"Melanie Ortiz"}


async def test_the_sides_of_a_chat_are_no_persons(rag: Rag) -> None:
    roles = ["user", "Assistant", "SYSTEM", "human", "User 1"]
    for role in roles:
        await keep(rag, role, (role, "The form asks for a name."))
    await keep(rag, "ada", ("Ada", "The form asks for a date."))
    for role in roles:
        assert await persons(rag, f"What does the {role} write in the form?") == set()
    assert await persons(rag, "What does Ada write in the form?") == {"Ada"}


HOMONYMS = [
    ("Will", "Did Will sail?", "Who will sail?"),
    ("Will", "When does Will's boat sail?", "Will they sail?"),
    ("May", "The boat that May has may sail", "The boat may sail"),
    ("Mark", "Did she sail with Mark?", "Did he mark the boat?"),
    ("Grace", "boat of Grace", "a grace period for the boat"),
]


async def test_a_name_that_is_another_word_too_is_one_only_with_a_capital(rag: Rag) -> None:
    used = "I will mark the day, with the grace of the weather: they may sail. Will the boat be ready?"
    for name in {name for name, _, _ in HOMONYMS}:
        await keep(rag, name, (name, "The boat can sail."), ("Ines", used))
    for name, named, not_named in HOMONYMS:
        assert await persons(rag, named) == {name}
        assert await persons(rag, not_named) == set()


async def test_a_name_in_small_letters_is_one_where_the_chat_has_no_such_word(rag: Rag) -> None:
    await keep(rag, "boat", ("Rose", "The boat can sail."), ("Ines", "So the boat sails."))
    assert await persons(rag, "did rose sail the boat") == {"Rose"}


SPELLINGS = [
    ("O'Brien", "What does O'Brien say of the boat?"),
    ("O'Brien", "O’Brien’s boat"),
    ("Sean O'Brien", "Sean's boat"),
    ("Jean-Luc", "Jean-Luc's boat"),
    ("Jean-Luc", "Has Jean Luc a boat?"),
    ("Anna van der Berg", "Where is the boat of Anna van der Berg?"),
    ("Anna van der Berg", "Where is Mrs. van der Berg's boat?"),
    ("Mary Ann", "Has Mary Ann a boat?"),
    ("J. R. Smith", "J. R. Smith's boat"),
    ("Smith, John", "boat of John Smith"),
    ("Zoë", "Has Zoe a boat?"),
    ("Zoe", "Has Zoë a boat?"),
    ("Zoë", "Has Zoe\u0308 a boat?"),
    ("Jose\u0301", "Has José a boat?"),
    ("İpek", "Has Ipek a boat?"),
    ("Ana María de la Cruz", "Ana María de la Cruz's boat"),
]


async def test_names_are_known_with_particles_hyphens_apostrophes_and_accents(rag: Rag) -> None:
    for n, (name, question) in enumerate(SPELLINGS):
        await keep(rag, f"{n}", (name, "The boat is in the harbour."), ("Ines", "A boat in the harbour."))
        assert await persons(rag, question, Filters(conversation_id=f"{n}")) == {name}


SCRIPTS = [
    ("ليلى", "البيت قريب من البحر", "ماذا قالت ليلى عن البيت؟"),
    ("דנה", "הבית ליד הים", "מה אמרה דנה על הבית?"),
    ("Мира", "Дом стоит у моря", "Что сказала Мира про дом?"),
    ("Ελένη", "Το σπίτι είναι κοντά στη θάλασσα", "Τι είπε η Ελενη για το σπίτι;"),
    ("मीरा", "घर समुद्र के पास है", "मीरा ने घर के बारे में क्या कहा?"),
    ("मीरा शर्मा", "घर समुद्र के पास है", "शर्मा ने घर के बारे में क्या कहा?"),
    ("小明", "房子在海边", "小明说房子在哪里？"),
    ("美咲", "家は海の近くです", "美咲さんの家はどこですか"),
    ("田中 美咲", "家は海の近くです", "田中さんの家はどこですか"),
    ("サトシ", "家は海の近くです", "サトシの家はどこですか"),
    ("민준", "집은 바다 근처에 있어요", "민준이의 집은 어디예요?"),
    ("สมชาย", "บ้านอยู่ใกล้ทะเล", "บ้านของสมชายอยู่ที่ไหน"),
]


async def test_names_are_known_in_scripts_without_capitals_or_without_spaces(rag: Rag) -> None:
    for name, said, _ in SCRIPTS:
        await keep(rag, name, (name, said), ("Ines", said))
    for name, _, question in SCRIPTS:
        assert await persons(rag, question, Filters(conversation_id=name)) == {name}


async def test_a_name_that_two_people_have_may_mean_either_until_more_is_said(rag: Rag) -> None:
    await keep(rag, "work", ("Anna Berg", "The boat is in the harbour."), ("Ben", "A boat."))
    await keep(rag, "home", ("Anna van der Holm", "The boat is at home."), ("Ben", "A boat."))
    assert await persons(rag, "Where is Anna's boat?") == {"Anna Berg", "Anna van der Holm"}
    assert await persons(rag, "Where is Anna Berg's boat?") == {"Anna Berg"}
    assert await persons(rag, "Where is the boat of Anna van der Holm?") == {"Anna van der Holm"}
    home = Filters(conversation_id="home")
    assert await persons(rag, "Where is Anna's boat?", home) == {"Anna van der Holm"}


async def test_a_person_of_another_conversation_is_not_meant_where_the_search_is_within_one(rag: Rag) -> None:
    await keep(rag, "work", ("Ana", "A boat."))
    await keep(rag, "home", ("Ben", "A boat."))
    assert await persons(rag, "Ana's boat") == {"Ana"}
    assert await persons(rag, "Ana's boat", Filters(conversation_id="home")) == set()


async def test_a_short_form_that_begins_two_names_is_nobodys(rag: Rag) -> None:
    await keep(rag, "boat", ("Christine", "Chris has a boat."), ("Christopher", "Chris and his boat."))
    assert await persons(rag, "Chris's boat") == set()


async def test_a_question_of_a_name_alone_is_searched_for_as_it_is(rag: Rag) -> None:
    await keep(rag, "lake", *LAKE)
    await rag.vectors.drain()
    found = await rag.search("Melanie?")
    assert found.results[0].speaker == "Melanie Ortiz"
    assert found.mode == "hybrid"


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("Ana's doctor called.", "ana", True),
        ("The doctor told me about Ana.", "ana", True),
        ("I saw Ana, who was well.", "ana", True),
        ("José's doctor said he must rest.", "jose", True),
        ("田中さんは来た。", "田中", True),
        ("मीरा ने कहा", "मीरा", True),
        ("Hi Ana, are you well?", "ana", False),
        ("Are you well, Ana?", "ana", False),
        ("The banana is ripe.", "ana", False),
    ],
)
def test_a_text_speaks_of_somebody_or_to_them(text: str, name: str, expected: bool) -> None:
    assert names.speaks_of(text, {name}) == expected
