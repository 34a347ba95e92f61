"""Properties that every cut must have, and the cuts that a reader would make."""

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_rag.passages import cut, sections, sentences

# fmt: off
FRAGMENTS = st.sampled_from([
    "Bread rises. ", "No! ", "3.5 kg", "Dr. ", "e.g. ", "\n", "\n\n", "\r\n\r\n", " ", "\t",
    "\0", "\x1c", "\u2028", "# Head\n", "## ", "```\n", "~~~", "---\n", "- item\n", "====\n", "…", '"', ")",
    "漢字。", "a" * 70, "か\u3099", "👩\u200d🍳",
])
# fmt: on
TEXTS = st.one_of(st.text(max_size=400), st.lists(FRAGMENTS, max_size=120).map("".join))
SIZES = st.integers(1, 300)


@given(TEXTS, SIZES, st.integers(0, 400))
def test_passages_are_slices_that_hold_every_visible_character(text: str, size: int, overlap: int) -> None:
    passages = cut(text, size=size, overlap=overlap)
    covered = set[int]()
    for passage in passages:
        assert passage.text == text[passage.start : passage.stop]
        assert passage.text == passage.text.strip() != ""
        assert len(passage.text) <= max(1, size * 13 // 10)
        covered.update(range(passage.start, passage.stop))
    assert all(position in covered or character.isspace() for position, character in enumerate(text))
    assert [p.start for p in passages] == sorted({p.start for p in passages})
    assert [p.stop for p in passages] == sorted({p.stop for p in passages})


@given(TEXTS)
def test_sentences_are_ordered_apart_and_hold_every_visible_character(text: str) -> None:
    end = 0
    for start, stop in sentences(text):
        assert end <= start < stop
        assert not text[end:start].strip()
        assert text[start:stop] == text[start:stop].strip()
        end = stop
    assert not text[end:].strip()


@given(TEXTS, SIZES)
def test_sections_join_to_exactly_the_text_and_none_is_blank(text: str, size: int) -> None:
    parts = sections(text, size=size)
    assert "".join(parts) == text
    assert all(parts)
    assert len(parts) == 1 or not any(part.isspace() for part in parts)


@given(
    st.lists(st.sampled_from(["word", "two words.", "a longer run of words, with a comma"]), min_size=1),
    SIZES,
)
def test_sections_of_prose_stay_within_their_size(words: list[str], size: int) -> None:
    assert all(len(part) <= max(size, 8) for part in sections(" ".join(words), size=size))


def words_of(text: str) -> list[str]:
    return [text[start:stop] for start, stop in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Weber paid 3.50 euros. He left.", ["Dr. Weber paid 3.50 euros.", "He left."]),
        ("Use rye, e.g. Type 1150, i.e. dark. Done.", ["Use rye, e.g. Type 1150, i.e. dark.", "Done."]),
        ("J. Smith of the U.S. Senate came. I did too.", ["J. Smith of the U.S. Senate came.", "I did too."]),
        (
            "We meet at 5 p.m. Bring No. 7. No. We do not.",
            ["We meet at 5 p.m.", "Bring No. 7.", "No.", "We do not."],
        ),
        (
            "See https://a.example/b.c?d=1.5!x for it. Ok.",
            ["See https://a.example/b.c?d=1.5!x for it.", "Ok."],
        ),
        ("Well... maybe not. Wait… What?! Yes.", ["Well... maybe not.", "Wait…", "What?!", "Yes."]),
        ('"Is it true?" she asked. (It is.) Good.', ['"Is it true?" she asked.', "(It is.)", "Good."]),
        ("ok. sounds good. see you", ["ok.", "sounds good.", "see you"]),
        ("Am 3. März im 2. Stock, z.B. um 8 Uhr. Gut.", ["Am 3. März im 2. Stock, z.B. um 8 Uhr.", "Gut."]),
        ("The sum is 12. Then we left.", ["The sum is 12.", "Then we left."]),
        ("今日は晴れ。明日は？「雨だ。」そう！", ["今日は晴れ。", "明日は？", "「雨だ。」", "そう！"]),
        ("真的吗?我不信。", ["真的吗?", "我不信。"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
        ("यह ठीक है। हाँ।", ["यह ठीक है।", "हाँ।"]),
        ("- flour\n- salt\n1. Mix.\n2. Bake it", ["- flour", "- salt", "1. Mix.", "2. Bake it"]),
        ("def f(x):\n    return x\n", ["def f(x):", "return x"]),
        ("## 1. Places\n\n> 2. Hours", ["## 1. Places", "> 2. Hours"]),
        ("A line that an editor has wrapped at the margin\nis one. Two.", None),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str] | None) -> None:
    wrapped = ["A line that an editor has wrapped at the margin\nis one.", "Two."]
    assert words_of(text) == (wrapped if expected is None else expected)


def test_a_text_that_fits_is_one_passage_without_the_space_around_it() -> None:
    (passage,) = cut("  short \n")
    assert (passage.start, passage.stop, passage.text) == (2, 7, "short")
    assert len(cut("word " * 200)) == 1


def test_a_text_of_white_space_has_no_passage() -> None:
    assert cut(" \n\t\u3000 ") == []


def test_a_passage_ends_at_a_paragraph_before_a_line_before_a_sentence_before_a_word() -> None:
    def first(middle: str) -> str:
        return cut("word " * 14 + middle + "more " * 40, size=120, overlap=0)[0].text[70:]

    assert first("one. two\nthree\n\nfour five ").endswith("three")
    assert first("one. two\nthree four five ").endswith("two")
    assert first("one. Two three four five ").endswith("one.")
    assert first("one two three four five ").endswith("more")


def test_an_overlap_begins_with_a_sentence_and_else_with_a_word() -> None:
    text = " ".join(f"This is the sentence of number {n} and no other." for n in range(100))
    assert all(passage.text.startswith("This is") for passage in cut(text))
    later = cut("unpunctuated " * 500)[1:]
    assert all(passage.text.startswith("unpunctuated") for passage in later)
    following = zip(cut(text), cut(text)[1:], strict=False)
    assert all(0 < before.stop - after.start <= 150 for before, after in following)


def test_no_tiny_passage_is_left_over() -> None:
    lengths = [len(passage.text) for n in range(900, 3000, 37) for passage in cut(("word " * n)[:n])]
    assert min(lengths) > 270


def test_text_without_spaces_is_cut_between_characters() -> None:
    passages = cut("か\u3099" * 2000)
    assert all(passage.text.startswith("か") and passage.text.endswith("\u3099") for passage in passages)
    assert "".join(sections("👩‍🍳" * 2000)) == "👩‍🍳" * 2000
    assert all(part.startswith("👩") for part in sections("👩‍🍳" * 2000))


def test_a_heading_starts_a_section_but_not_inside_a_fence() -> None:
    text = "Intro.\n\n# One\nText.\n\n```sh\n# remark\n\n# remark\n```\n## Two\nMore.\n\nThree\n=====\nEnd.\n"
    assert [part.splitlines()[0] for part in sections(text)] == ["Intro.", "# One", "## Two", "Three"]


def test_a_heading_without_text_stays_with_the_next_and_front_matter_with_the_first() -> None:
    text = "---\ntitle: x\n---\n\n# Book\n\n## Chapter\n\nText.\n\n## Last\n\nText.\n"
    assert sections(text) == [text[: text.index("## Last")], text[text.index("## Last") :]]


def test_a_long_chapter_is_cut_between_paragraphs_and_a_long_table_between_rows() -> None:
    chapter = "# Long\n\n" + "\n\n".join(f"Paragraph {n}. " + "words " * 60 for n in range(30))
    assert all(part.startswith(("# Long", "Paragraph")) for part in sections(chapter))
    table = "| a | b |\n" + "".join(f"| {n} | {'x' * 50} |\n" for n in range(200))
    assert len(sections(table)) > 5
    assert all(part.startswith("|") and part.endswith("|\n") for part in sections(table))


def prose(seed: int) -> list[str]:
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("abcdefghijklmno", k=rng.randint(2, 9))) for _ in range(500)]
    return [" ".join(rng.choices(vocabulary, k=rng.randint(10, 90))) + "." for _ in range(100)]


def test_an_edit_in_one_section_leaves_nearly_always_all_the_others_unchanged() -> None:
    paragraphs = prose(7)
    before = Counter(sections("\n\n".join(paragraphs)))
    changed = Counter[int]()
    for index, paragraph in enumerate(paragraphs):
        edited = [*paragraphs[:index], f"{paragraph} And then a sentence more.", *paragraphs[index + 1 :]]
        changed[sum((before - Counter(sections("\n\n".join(edited)))).values())] += 1
    assert sum(before.values()) > 15
    assert changed[1] >= 95
    assert max(changed) <= 3


@pytest.mark.parametrize(
    "unit",
    [
        "A",
        "漢字です。",
        "a\n",
        "a\n\n",
        "! ",
        "!",
        ".'",
        ". ",
        "\n ",
        "e\u0301",
        "```\n",
        "# a\n",
        "---\r\n",
        "ab\n==\n\n",
    ],
)
def test_the_time_grows_with_the_length_whatever_the_text(unit: str) -> None:
    text = "---\na " + unit * (250_000 // len(unit)) + " " * 250_000 + "b"
    began = time.process_time()
    cut(text), sentences(text), sections(text)
    assert time.process_time() - began < 20, "a quadratic scan of this text takes minutes"


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_cut_is_the_same_every_time(seed: int) -> None:
    text = "\n\n".join(prose(seed))
    assert sections(text) == sections(text)
    assert cut(text) == cut(text)
