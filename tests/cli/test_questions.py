"""search, ask, fetch, list and status, on the library."""

import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mcp_rag.cli.app import app
from mcp_rag.models import ConversationPage, Extract, Reply, SearchResult, Status
from tests.cli.command import Command

OVEN = "How much did the oven repair cost, and how long is the warranty?"
UNKNOWN = "Which phone contract did we choose?"
SESSION = "2c63888f-28f0-4481-be6d-dce7a7ace732"


def test_a_search_shows_hits_with_title_speaker_date_and_address(reading: Command) -> None:
    found = reading("search", "opening", "date", "of", "the", "harbour", "café", "--limit", "2")
    assert "1. Opening date Hafen café · user · 2025-12-03" in found.out
    assert "conversation://6719be91-9a62-480d-9e5a-90f6a4dfe13c/messages/0" in found.out
    assert "confidence high, hybrid." in found.out


def test_a_search_shows_what_was_said_around_a_hit_and_why_it_ranked(reading: Command) -> None:
    wishes = ("--limit", "1", "--context", "1", "--explain", "--accurate")
    shown = reading("search", "noooo.", "the", "band", "is", "booked", *wishes).out.splitlines()
    place = shown.index("   noooo. the band is booked")
    assert shown[place - 1].startswith("   · Ines: ")
    assert shown[place + 1].startswith("   · ")
    (why,) = [line for line in shown if line.startswith("   why: ")]
    assert {"words", "meaning", "coverage", "reranker"} <= set(why.replace(",", "").split())


def test_what_is_piped_has_no_escape_codes_and_is_not_wrapped(reading: Command) -> None:
    found = reading("search", OVEN)
    assert "\x1b" not in found.out + found.err
    assert max(map(len, found.out.splitlines())) > 100


def test_a_terminal_gets_colours(reading: Command) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_rag", "list", "--limit", "1"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=reading.environment | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = _all_of(ours)
    assert process.wait() == 0
    assert "\x1b[" in shown
    assert "Messages" in shown


def test_pages_of_json_follow_one_another(reading: Command) -> None:
    arguments = (
        "search",
        "sourdough",
        "--limit",
        "2",
        "--source",
        "claude",
        "--since",
        "2025-01-01",
        "--json",
    )
    first = SearchResult.model_validate(reading(*arguments).document)
    assert first.mode == "hybrid"
    second = SearchResult.model_validate(reading(*arguments, "--cursor", str(first.next_cursor)).document)
    assert len({hit.id for hit in first.results + second.results}) == 4


def test_a_search_that_does_not_wait_goes_by_words(reading: Command) -> None:
    found = SearchResult.model_validate(reading("search", "sourdough", "--no-wait", "--json").document)
    assert found.mode == "lexical"
    assert found.results


def test_a_search_that_finds_nothing_exits_with_1(reading: Command) -> None:
    found = reading("search", "sourdough", "--conversation-id", "none", "--json", code=1)
    assert found.document["results"] == []
    assert found.document["confidence"] == "none"


def test_an_answer_has_verified_sources(reading: Command) -> None:
    told = reading("ask", OVEN)
    assert "€1,612.45" in told.out
    assert "[1] Oven error E14 on the deck oven · assistant · 2025-05-22  ✓ verified" in told.out
    reply = Reply.model_validate(reading("ask", OVEN, "--speaker", "user", "--json").document).root
    assert reply.answered
    assert {citation.speaker for citation in reply.citations} == {"user"}


def test_what_the_store_does_not_know_exits_with_1(reading: Command) -> None:
    told = reading("ask", UNKNOWN, code=1)
    assert told.out.startswith("Not in the store.")
    assert "Nearest misses" in told.out


def test_a_conversation_is_read_from_a_position_on(reading: Command) -> None:
    told = reading("fetch", SESSION, "--from", "7", "--limit", "2")
    assert "#7 · assistant · 2025-05-20" in told.out
    assert "ask for a warranty date on the invoice" in told.out
    assert "More: --from 9" in told.out


def test_a_message_is_read_with_its_neighbours(reading: Command) -> None:
    address = f"conversation://{SESSION}/messages/8"
    read = Extract.model_validate(reading("fetch", address, "--around", "1", "--json").document)
    assert [message.position for message in read.messages] == [7, 8, 9]


def test_an_unknown_conversation_exits_with_1_and_says_what_to_do(reading: Command) -> None:
    told = reading("fetch", "nowhere", "--json", code=1)
    assert told.document["error"] == {
        "type": "UnknownConversation",
        "cause": "No conversation has the id 'nowhere'.",
        "remedy": "`mcp-rag list` shows what is stored.",
        "exit_code": 1,
    }
    assert told.err.splitlines() == [told.document["error"]["cause"], told.document["error"]["remedy"]]


def test_a_piped_list_has_tabs_between_its_cells(reading: Command) -> None:
    rows = [line.split("\t") for line in reading("list", "--title", "oven").out.splitlines()]
    assert rows == [[SESSION, "10", "2025-05-22", "claude", "Oven error E14 on the deck oven"]]


def test_pages_of_the_list_follow_one_another(reading: Command) -> None:
    first = ConversationPage.model_validate(reading("list", "--limit", "3", "--json").document)
    told = reading("list", "--limit", "3", "--cursor", str(first.next_cursor))
    assert not {each.conversation_id for each in first.conversations} & set(told.out.split())


def test_the_status_says_what_is_stored(reading: Command) -> None:
    now = Status.model_validate(reading("status", "--json").document)
    assert now.conversations > 35
    assert now.pending == 0
    assert now.model is not None
    assert now.mode == "hybrid"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "x", "--limit", "0"), "--limit"),
        (("search", "x", "--since", "yesterday"), "is not like 2026-03-14"),
        (("search",), "Missing argument"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], said: str) -> None:
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert said in " ".join(refused.stderr.replace("│", " ").split())
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((" ",), "The query is empty."), (("x", "--cursor", "nonsense"), "without --cursor")],
)
def test_input_that_cannot_be_used_exits_with_2(
    reading: Command, arguments: tuple[str, ...], said: str
) -> None:
    refused = reading("search", *arguments, "--no-wait", code=2)
    assert said in refused.err
    assert refused.out == ""


def _all_of(terminal: int) -> str:
    parts = []
    try:
        while part := os.read(terminal, 4096):
            parts.append(part)
    except OSError:
        # This is how a terminal says that the other side has closed.
        pass
    os.close(terminal)
    return b"".join(parts).decode()
