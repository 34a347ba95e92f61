from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_rag.answering.marked import LONGEST_MARK, Marked
from mcp_rag.models import Claim, Wanted
from tests.answering.briefs import brief, claim


def read(text: str, *, may_search: bool = False, cut: bool = False) -> list[Claim | Wanted]:
    """All that comes of a text, given at once. There are two sources."""
    marked = Marked(brief(may_search=may_search))
    return [*marked.feed(text), *marked.end(cut=cut)]


def read_in(pieces: Sequence[str], *, may_search: bool = False, cut: bool = False) -> list[Claim | Wanted]:
    marked = Marked(brief(may_search=may_search))
    return [item for piece in pieces for item in marked.feed(piece)] + marked.end(cut=cut)


def test_a_sentence_has_the_quotes_of_its_marks() -> None:
    text = 'Anna moved to Lisbon. [1: "moved to Lisbon"] Ben stayed. [2: "I am staying"] [1: "in March"]'
    assert read(text) == [
        claim("Anna moved to Lisbon.", (0, "moved to Lisbon")),
        claim(" Ben stayed.", (1, "I am staying"), (0, "in March")),
    ]


def test_a_sentence_is_given_out_when_the_next_has_begun() -> None:
    marked = Marked(brief())
    assert marked.feed('Anna moved. [1: "moved"]') == []
    assert marked.feed(" Her brother Ben stays") == [claim("Anna moved.", (0, "moved"))]
    assert marked.feed(" in Porto.") == []
    assert marked.end() == [claim(" Her brother Ben stays in Porto.")]


@pytest.mark.parametrize(
    "text",
    [
        'Anna moved [1: "moved to Lisbon"].',
        'Anna moved. [1: "moved to Lisbon"]',
        'Anna moved.[1: "moved to Lisbon"]',
        'Anna moved.\n[1: "moved to Lisbon"]\n',
        'Anna moved. [1:"moved to Lisbon"]',
        'Anna moved. [ 1 : "moved to Lisbon" ]',
        "Anna moved. [1: “moved to Lisbon”]",
        "Anna moved. [1: „moved to Lisbon“]",
        "Anna moved. [1: «moved to Lisbon»]",
        "Anna moved. [1: 'moved to Lisbon']",
        "Anna moved. [1: moved to Lisbon]",
        'Anna moved. [1： "moved to Lisbon”]',
        'Anna moved. [1: "moved to Lisbon"',
        'Anna moved. [1: "moved to Lisbon" ',
    ],
)
def test_a_mark_may_be_written_in_many_ways(text: str) -> None:
    assert read(text) == [claim("Anna moved.", (0, "moved to Lisbon"))]


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (r'[1: "she said \"no\" to me"]', 'she said "no" to me'),
        ('[1: "she said "no" to me"]', 'she said "no" to me'),
        (r'[1: "she said \"no\""]', 'she said "no"'),
        ("[1: 'it's Anna's']", "it's Anna's"),
        ("[1: \"it's Anna's\"]", "it's Anna's"),
        ('[1: "first line\nsecond line"]', "first line\nsecond line"),
        ('[1: "a list [of two] things"]', "a list [of two] things"),
        (r'[1: "C:\new\table"]', r"C:\new\table"),
    ],
)
def test_what_is_quoted_comes_letter_for_letter(mark: str, words: str) -> None:
    assert read(f"So it is. {mark} Then it rained.") == [
        claim("So it is.", (0, words)),
        claim(" Then it rained."),
    ]


@pytest.mark.parametrize(
    "mark", ['[1: "a", "b"; 2: "c"]', '[1: "a"; 1: "b"; 2: "c"]', '[1: "a"][1: "b"] [2: "c"]']
)
def test_several_quotes_may_stand_in_one_mark_or_in_several(mark: str) -> None:
    assert read(f"So it is. {mark}") == [claim("So it is.", (0, "a"), (0, "b"), (1, "c"))]


def test_a_mark_belongs_to_the_last_of_several_sentences() -> None:
    assert read('It was March. Anna moved. [1: "moved"]') == [
        claim("It was March."),
        claim(" Anna moved.", (0, "moved")),
    ]


def test_a_mark_before_everything_belongs_to_the_first_sentence() -> None:
    assert read('[1: "moved"] Anna moved. It rained on that day.') == [
        claim(" Anna moved.", (0, "moved")),
        claim(" It rained on that day."),
    ]


@pytest.mark.parametrize(
    "mark", ["[1]", "[1][2]", "[1, 2]", "[2; 1]", '[1: ""]', "[1:]", '[7: "moved"]', '[0: "moved"]']
)
def test_a_mark_that_quotes_nothing_of_a_source_is_left_out(mark: str) -> None:
    assert read(f"Anna moved {mark}. It rained.") == [claim("Anna moved."), claim(" It rained.")]


@pytest.mark.parametrize(
    "text",
    [
        "See [the list] of [2024] and x[i].",
        "At [10:30] she left.",
        "[x] Buy milk",
        "A [link](http://localhost/1).",
    ],
)
def test_other_brackets_are_text(text: str) -> None:
    assert read(text) == [claim(text)]


def test_the_space_around_a_mark_amid_a_sentence_is_kept_once() -> None:
    assert read('Anna moved [1: "moved"] to Lisbon [1],and[2]then home.') == [
        claim("Anna moved to Lisbon,and then home.", (0, "moved"))
    ]


def test_a_mark_between_wide_characters_leaves_no_space() -> None:
    assert read('彼女は[1: "moved"]引っ越した。') == [claim("彼女は引っ越した。", (0, "moved"))]


def test_a_full_stop_before_a_mark_and_after_it_is_one() -> None:
    assert read('Anna moved. [1: "moved"]. Did Ben? [2].') == [
        claim("Anna moved.", (0, "moved")),
        claim(" Did Ben?"),
    ]


def test_a_list_is_a_sentence_an_item() -> None:
    assert read('- Anna moved. [1: "moved"]\n- Ben stayed [2: "staying"]\n\n1. It rained. [1: "rain"]\n') == [
        claim("- Anna moved.", (0, "moved")),
        claim("\n- Ben stayed", (1, "staying")),
        claim("\n\n1. It rained.", (0, "rain")),
    ]


def test_signs_alone_are_no_claim() -> None:
    assert read('---\n\n**Anna moved.** [1: "moved"]\n\n***\n- ') == [
        claim("\n\n**Anna moved.**", (0, "moved"))
    ]


def test_a_mark_that_never_closes_costs_its_line_and_no_more() -> None:
    assert read('Anna moved. [1: \'we moved to\nBen stayed. [2: "staying"]') == [
        claim("Anna moved."),
        claim("\nBen stayed.", (1, "staying")),
    ]
    assert read("Anna moved. [1: we moved to Lisbon") == [claim("Anna moved.")]


def test_a_mark_that_lost_its_bracket_still_quotes() -> None:
    assert read('Anna moved. [1: "we moved" Ben stayed. [2: "staying"]') == [
        claim("Anna moved.", (0, "we moved")),
        claim(" Ben stayed.", (1, "staying")),
    ]


def test_a_mark_that_goes_on_for_ever_is_given_up() -> None:
    marked = Marked(brief())
    marked.feed("Anna moved. [1: 'x")
    marked.feed("y" * LONGEST_MARK)
    assert marked.feed(' Ben stayed in Porto. [2: "staying"] So much for that.')
    assert marked.end()[-1] == claim(" So much for that.")


@pytest.mark.parametrize(
    "text", ["NO ANSWER", "NO ANSWER.", "**NO ANSWER**", "\nNO ANSWER\n\nThe sources are silent."]
)
def test_no_answer_gives_nothing(text: str) -> None:
    assert read(text) == []


def test_nothing_is_believed_after_no_answer() -> None:
    assert read('Anna moved. [1: "moved"] NO ANSWER. It rained. [1: "rain"]') == [
        claim("Anna moved.", (0, "moved"))
    ]


def test_capital_letters_alone_are_not_the_word_that_nothing_answers() -> None:
    assert read("NO ANSWERS came. No answer came.") == [claim("NO ANSWERS came."), claim(" No answer came.")]


@pytest.mark.parametrize(
    "text",
    [
        "SEARCH: When did Dr. Kim move? Or was it May?",
        "\n**SEARCH:** When did Dr. Kim move? Or was it May?\n",
        'SEARCH: "When did Dr. Kim move? Or was it May?"\n\nI need more. [1: "moved"]',
        "SEARCH:\nWhen did Dr. Kim move? Or was it May?",
    ],
)
def test_a_search_may_be_wanted_in_place_of_an_answer(text: str) -> None:
    assert read(text, may_search=True) == [Wanted(question="When did Dr. Kim move? Or was it May?")]
    assert read(text) == []


def test_a_search_is_not_wanted_once_there_is_an_answer() -> None:
    assert read("Anna moved.\nSEARCH: Where to?", may_search=True) == [claim("Anna moved.")]
    assert read("SEARCH: ", may_search=True) == []


def test_thinking_aloud_is_left_out() -> None:
    assert read('<think>\nNO ANSWER? [1: "hm\n</think>\n\nAnna moved. [1: "moved"]') == [
        claim("\n\nAnna moved.", (0, "moved"))
    ]
    assert read("<think>Hm. And") == []
    assert read("<thinner than before>") == [claim("<thinner than before>")]


def test_an_answer_that_was_cut_off_has_no_last_sentence() -> None:
    assert read('Anna moved. [1: "moved"] Ben stayed. [2: "stay', cut=True) == [
        claim("Anna moved.", (0, "moved"))
    ]
    assert read('Anna moved. [1: "moved"] Ben', cut=True) == [claim("Anna moved.", (0, "moved"))]
    assert read("Anna mov", cut=True) == []
    assert read("SEARCH: When did An", may_search=True, cut=True) == []
    assert read("<think>Hm", cut=True) == []


def test_an_empty_answer_gives_nothing() -> None:
    assert read("") == read(" \n ") == []


LONG = "x " * (LONGEST_MARK // 2)
PLAIN = [
    "Anna moved",
    "Ben",
    ". ",
    "? ",
    "\n",
    "\n\n- ",
    " ",
    "3.14",
    "Dr. ",
    "。",
    "彼女",
    "(",
    ")",
    "**",
    "x" * 45,
]
MARKS = [
    "[",
    "]",
    "[1",
    "[1]",
    '[1: "moved"]',
    '[2: "x',
    '"',
    '"]',
    '", "',
    "'",
    "[1: y]",
    "[7: “z”]",
    "\\",
    ":",
]
ODD = ["NO ANSWER", "SEARCH: ", "<think>", "</think>", "1" * 45, " " * 45, "[1 " + " " * 45, "[10:30]"]
PARTS = st.sampled_from([*PLAIN, *MARKS, *ODD])


@given(st.lists(PARTS, max_size=14).map("".join), st.data(), st.booleans(), st.booleans())
@example(f'Anna moved. [1: "{LONG}"] Ben stayed.', None, False, False)
@example(f"Anna moved. [1: '{LONG}\nBen stayed. [1: 'x']", None, False, False)
def test_any_split_gives_the_same(text: str, data: st.DataObject | None, may_search: bool, cut: bool) -> None:
    whole = read(text, may_search=may_search, cut=cut)
    assert read_in(list(text), may_search=may_search, cut=cut) == whole
    if data:
        ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
        assert read_in(pieces, may_search=may_search, cut=cut) == whole


@given(st.text(max_size=60), st.booleans())
def test_any_text_can_be_read(text: str, cut: bool) -> None:
    assert read_in(list(text), cut=cut) == read(text, cut=cut)


@given(st.lists(PARTS, max_size=14).map("".join))
def test_a_claim_has_words_and_no_quotes_of_sources_that_there_are_not(text: str) -> None:
    for item in read(text):
        assert isinstance(item, Claim)
        assert any(character.isalnum() for character in item.text)
        assert all(quote.source in (0, 1) and quote.text for quote in item.quotes)
