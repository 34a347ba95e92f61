import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_rag import grounding
from mcp_rag.grounding import Draft
from mcp_rag.models import Claim, Evidence, Hit, Quote


def source(*sentences: str, name: str = "a") -> Evidence:
    hit = Hit(
        id=f"{name}#0",
        title="Harbour",
        url=f"conversation://{name}/messages/0",
        conversation_id=name,
        position=0,
        speaker="Ana",
        date=datetime(2026, 3, 1, tzinfo=UTC),
        text="".join(sentences),
        score=0.5,
    )
    return Evidence(hit=hit, sentences=sentences)


OVEN = source("The loaf isn't gluten-free. ", "The repair came to 1,612.45 – “all in”.\n", "Ask Jonas.")
LINKED = source("See https://example.org/guides/oven?page=2 or write to ana@example.org.", name="b")


def grounded(quote: str, *evidence: Evidence, text: str = "So it is.", said: int = 0) -> list[str]:
    claim = Claim(text=text, quotes=(Quote(source=said, text=quote),))
    return [found.text for found in grounding.ground(claim, evidence or (OVEN,), evidence or (OVEN,))]


def test_a_quote_is_cited_as_it_is_stored_with_its_whole_sentence() -> None:
    assert grounded("loaf isn't gluten-free") == ["The loaf isn't gluten-free."]
    assert grounded("The repair came to 1,612.45") == ["The repair came to 1,612.45 – “all in”."]


def test_space_and_the_form_of_dashes_and_quotes_do_not_matter() -> None:
    assert grounded('1,612.45  -\n"all in"') == ["The repair came to 1,612.45 – “all in”."]
    assert grounded("The loaf isn’t gluten‑free") == ["The loaf isn't gluten-free."]


@pytest.mark.parametrize(
    "quote",
    [
        "The loaf is gluten-free",
        "The repair came to 1612.45",
        "the loaf isn't gluten-free",
        "Ask Jonas. The loaf",
        "The lоaf isn't gluten-free",  # a Cyrillic о
        "",
        "…",
        "The",
        "to",
    ],
)
def test_words_that_are_not_there_and_words_that_say_nothing_are_no_quote(quote: str) -> None:
    assert grounded(quote) == []


def test_a_short_quote_counts_where_it_is_all_there_is() -> None:
    assert grounded("4711", source("4711.")) == ["4711."]
    assert grounded("はい、そう", source("はい、そうです。")) == ["はい、そうです。"]


def test_a_quote_over_two_sentences_takes_both_in() -> None:
    assert grounded("gluten-free. The repair") == [
        "The loaf isn't gluten-free. The repair came to 1,612.45 – “all in”."
    ]


def test_a_quote_is_cited_from_the_source_where_it_stands() -> None:
    claim = Claim(
        text="Jonas knows.", quotes=(Quote(source=1, text="Ask Jonas."), Quote(source=9, text="Ask Jonas."))
    )
    assert {q.source for q in grounding.ground(claim, (OVEN, LINKED), (OVEN, LINKED))} == {0}


def test_one_false_quote_takes_the_true_ones_with_it() -> None:
    claim = Claim(text="x", quotes=(Quote(source=0, text="Ask Jonas."), Quote(source=0, text="Ask Johann.")))
    assert grounding.ground(claim, (OVEN,), (OVEN,)) == []


def test_what_a_model_read_with_its_secrets_masked_is_cited_as_it_is_stored() -> None:
    stored, given_ = source("The key is abc123. ", "Keep it."), source("The key is ██████. ", "Keep it.")
    claim = Claim(text="There is a key.", quotes=(Quote(source=0, text="The key is ██████."),))
    assert [q.text for q in grounding.ground(claim, (given_,), (stored,))] == ["The key is abc123."]


@pytest.mark.parametrize(
    "text",
    [
        "See https://evil.example/x.",
        "See HTTPS://EVIL.EXAMPLE/x.",
        "See evil.example/steal?d=1 for more.",
        "![logo](//evil.example/p.png) Fine.",
        "[Click](javascript:alert(1)) here.",
        "<img src=x onerror=alert(1)>",
        "Write to mallory@evil.example.",
        "See https://example.org/guides/oven?page=3.",
        "See https://example.org.evil.example/guides/oven?page=2.",
        "See ｈｔｔｐｓ://evil.example.",
        "See evil。com/x now.",
        "See ev\u200bil.example/x.",
        "Call tel:+4930123.",
        "data:text/html;base64,PHNjcmlwdD4=",
    ],
)
def test_a_sentence_with_a_link_that_no_source_has_is_left_out(text: str) -> None:
    quote = "See https://example.org/guides/oven?page=2"
    assert grounded(quote, LINKED, text=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "It is at https://example.org/guides/oven?page=2.",
        "The [guide](https://example.org/guides/oven?page=2) has it.",
        "Write to ana@example.org!",
        "It was 3.5 kg at 14:30, e.g. on 2026-03-01.",
        "Nothing to link; and so on...",
    ],
)
def test_links_of_the_sources_and_ordinary_marks_stay(text: str) -> None:
    assert grounded("See https://example.org/guides/oven?page=2", LINKED, text=text)


def test_each_sentence_is_followed_by_the_numbers_of_its_quotes() -> None:
    draft = Draft()
    first, second = Quote(source=0, text="Ask Jonas."), Quote(source=1, text=LINKED.text)
    draft.take(Claim(text=" Jonas knows.", quotes=()), [first], (OVEN, LINKED))
    draft.take(Claim(text=" So does the guide.", quotes=()), [second, first], (OVEN, LINKED))
    assert draft.text == "Jonas knows. [1] So does the guide. [1][2]"
    assert [(c.n, c.uri, c.verified) for c in draft.citations] == [
        (1, OVEN.hit.url, True),
        (2, LINKED.hit.url, True),
    ]


def test_a_model_cannot_set_marks_or_hide_characters_in_the_answer() -> None:
    draft = Draft()
    claim = Claim(text="True [1][2]\u202e\u200b\x1b[31m indeed.", quotes=())
    draft.take(claim, [Quote(source=0, text="Ask Jonas.")], (OVEN,))
    assert draft.text == "True (1)(2)[31m indeed. [1]"


@given(st.text(min_size=1, max_size=80), st.integers(0, 79), st.integers(1, 80))
def test_whatever_is_cited_stands_in_the_text_letter_for_letter(text: str, start: int, length: int) -> None:
    evidence = source(*re.findall(r"[^.]*\.?", text)[:-1] or [text])
    for found in grounded(text[start : start + length], evidence, text="It is so"):
        assert found in evidence.text
