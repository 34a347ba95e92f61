"""What is stored of a set, and that every stored message is known for the row that it is."""

from pathlib import Path

import pytest

from mcp_rag.errors import InvalidInput
from mcp_rag.evaluation import asking, dataset, loading
from mcp_rag.evaluation.loading import Places
from mcp_rag.models import Address, Filters
from mcp_rag.rag import Rag
from tests.evaluation import sets

LONG = " ".join(
    f"Chapter {n} tells how the {n}th lighthouse was built and who kept its lamp." for n in range(90)
)


def _nothing(_: int) -> None:
    """Nobody watches."""


async def _loaded(rag: Rag, folder: Path, *groups: str) -> Places:
    return await loading.load(rag, loading.arrange(dataset.read(folder), groups or ("",)), _nothing)


async def test_a_session_is_a_conversation_and_its_group_a_tag(rag: Rag, tmp_path: Path) -> None:
    await _loaded(rag, sets.garden(tmp_path))
    stored = (await rag.list_conversations(filters=Filters(tags=("g1",)))).conversations
    assert {each.conversation_id for each in stored} == {"g1:s1", "g1:s2"}
    assert {each.kind for each in stored} == {"chat"}
    read = await rag.fetch(Address(conversation_id="g1:s1"))
    assert [message.speaker for message in read.messages] == ["Mira", "Tomas", "Mira"]
    assert {f"{message.sent_at:%Y-%m-%d %H:%M}" for message in read.messages} == {"2024-05-03 19:05"}


async def test_messages_are_stored_in_their_order_and_without_one_as_they_come(
    rag: Rag, tmp_path: Path
) -> None:
    corpus = [sets.line(f"r{n}", f"Text {n}.", session="s", speaker="A", ord=2 - n) for n in range(3)]
    corpus += [sets.line(f"u{n}", f"Text {n}.", session="u", speaker="A") for n in range(3)]
    places = await _loaded(rag, sets.write(tmp_path, corpus, [], qrels=""))
    assert [places["s", n] for n in range(3)] == ["r2", "r1", "r0"]
    assert [places["u", n] for n in range(3)] == ["u0", "u1", "u2"]


async def test_only_the_scopes_that_are_asked_for_are_stored(rag: Rag, tmp_path: Path) -> None:
    places = await _loaded(rag, sets.garden(tmp_path), "g2")
    assert set(places.values()) == {f"row{n}" for n in range(6, 12)}


async def test_no_id_of_the_set_is_in_a_text_that_is_indexed(rag: Rag, tmp_path: Path) -> None:
    corpus = [sets.line("zanzibar", "It rained.", session="quagga", group="okapi", speaker="A")]
    await _loaded(rag, sets.write(tmp_path, corpus, [], qrels=""))
    for name in ("zanzibar", "quagga", "okapi"):
        assert (await rag.search(name)).results == ()
    assert len((await rag.search("rained")).results) == 1


async def test_a_row_that_is_stored_as_several_sections_is_one_row(rag: Rag, tmp_path: Path) -> None:
    corpus = [
        sets.line("short", "A preface about the sea.", session="book", title="Lights", ord=0),
        sets.line("long", LONG, session="book", ord=1),
        sets.line("same", "A preface about the sea.", session="book", ord=2),
    ]
    queries = [sets.line("q", "how the lighthouse was built and who kept its lamp")]
    places = await _loaded(rag, sets.write(tmp_path, corpus, queries, qrels="q long 1\n"))
    stored = [places["book", n] for n in range(len(places))]
    assert stored.count("long") >= 3
    assert stored == ["short", *["long"] * stored.count("long"), "same"]

    asked = list(dataset.read(tmp_path).questions.values())
    found = await asking.search(rag, asked, places, depth=10, accurate=False, progress=_nothing)
    assert sorted(found["q"].rows) == sorted(set(found["q"].rows))
    assert found["q"].rows[0] == "long"
    assert len(found["q"].texts) == len(found["q"].rows)


async def test_rows_with_the_same_words_stay_apart(rag: Rag, tmp_path: Path) -> None:
    corpus = [sets.line(f"r{n}", "Great.", session="s", speaker="A", ord=n) for n in range(3)]
    places = await _loaded(rag, sets.write(tmp_path, corpus, [], qrels=""))
    assert [places["s", n] for n in range(3)] == ["r0", "r1", "r2"]


async def test_rows_that_cannot_be_stored_are_passed_over(rag: Rag, tmp_path: Path) -> None:
    texts = ["First.", "  ", "with a \0 in it", "Last."]
    corpus = [sets.line(f"r{n}", text, session="s", speaker="A") for n, text in enumerate(texts)]
    corpus += [sets.line("empty", "", session="nothing")]
    assert await _loaded(rag, sets.write(tmp_path, corpus, [], qrels="")) == {("s", 0): "r0", ("s", 1): "r3"}


async def test_rows_without_session_and_group_are_documents_of_their_own(rag: Rag, tmp_path: Path) -> None:
    corpus = [sets.line("d1", "One."), sets.line("d2", "Two."), sets.line("d3", "Three.", group="g")]
    places = await _loaded(rag, sets.write(tmp_path, corpus, [], qrels=""))
    assert places == {("d1", 0): "d1", ("d2", 0): "d2", ("g", 0): "d3"}
    assert {each.kind for each in (await rag.list_conversations()).conversations} == {"document"}


async def test_sessions_of_the_same_name_in_two_groups_stay_apart(rag: Rag, tmp_path: Path) -> None:
    corpus = [
        sets.line(f"{group}1", f"Of {group}.", group=group, session="s1", speaker="A") for group in "ab"
    ]
    places = await _loaded(rag, sets.write(tmp_path, corpus, [], qrels=""))
    assert places == {("a/s1", 0): "a1", ("b/s1", 0): "b1"}


async def test_loading_again_stores_nothing_new(rag: Rag, tmp_path: Path) -> None:
    folder = sets.garden(tmp_path)
    first = await _loaded(rag, folder)
    before = await rag.status()
    assert await _loaded(rag, folder) == first
    assert (await rag.status()).messages == before.messages == 12


async def test_a_store_that_holds_something_else_is_refused(rag: Rag, tmp_path: Path) -> None:
    await _loaded(rag, sets.garden(tmp_path / "a"))
    other = [sets.line("x", "Something else.", session="g1:s1", group="g1", speaker="Mira")]
    with pytest.raises(InvalidInput, match="is not what the set has"):
        await _loaded(rag, sets.write(tmp_path / "b", other, [], qrels=""))
