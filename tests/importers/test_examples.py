"""The files in `examples/`, as a newcomer imports them."""

import json
from collections import Counter
from datetime import UTC, datetime

from mcp_rag.importers import forms

from .sources import EXAMPLES, everything


def test_every_message_of_the_claude_export_is_read() -> None:
    conversations, unread = everything(EXAMPLES / "claude-export.json")
    raw = json.loads((EXAMPLES / "claude-export.json").read_text("utf-8"))
    assert unread == []
    assert [c.conversation_id for c in conversations] == [c["uuid"] for c in raw]
    sent = Counter(text for c in raw for m in c["chat_messages"] for text in [m["text"]])
    assert not sent - Counter(m.text for c in conversations for m in c.messages)
    assert {m.speaker for c in conversations for m in c.messages} == {"user", "assistant"}
    assert {c.source for c in conversations} == {"claude"}


def test_the_opening_date_and_its_change_are_in_the_export_with_their_dates() -> None:
    conversations, _ = everything(EXAMPLES / "claude-export.json")
    opening = next(c for c in conversations if c.title == "Opening date Hafen café")
    decision = next(m for m in opening.messages if "we moved the opening to 14 March 2026" in m.text)
    assert decision.speaker == "user"
    assert decision.sent_at is not None
    assert decision.sent_at.date() == datetime(2026, 2, 5, tzinfo=UTC).date()


def test_a_file_pasted_into_a_chat_follows_its_message() -> None:
    conversations, _ = everything(EXAMPLES / "claude-export.json")
    menu = next(c for c in conversations if c.title == "Allergen list for the harbour menu")
    assert menu.messages[1].text.startswith("rezepte-hafen.txt\n\nZimtknoten: Weizen 550")
    assert menu.messages[1].message_id == f"{menu.messages[0].message_id}/attachments/1"


def test_the_handbook_is_one_document_with_its_front_matter() -> None:
    (handbook,), unread = everything(EXAMPLES / "handbook.md")
    assert unread == []
    assert (handbook.title, handbook.kind, handbook.source) == (
        "Handbook of the Sperling bakery and café",
        "document",
        "text",
    )
    assert handbook.title == "Handbook of the Sperling bakery and café"
    assert handbook.tags == ("handbook", "operations")
    assert handbook.messages[0].text == (EXAMPLES / "handbook.md").read_text("utf-8")
    assert handbook.messages[0].sent_at == datetime(2026, 9, 20, tzinfo=UTC)


def test_the_team_chat_is_three_conversations_in_order() -> None:
    conversations, unread = everything(EXAMPLES / "team-chat.jsonl")
    assert unread == []
    assert [len(c.messages) for c in conversations] == [21, 17, 20]
    for conversation in conversations:
        times = [m.sent_at for m in conversation.messages if m.sent_at]
        assert len(times) == len(conversation.messages)
        assert times == sorted(times)
        assert {m.speaker for m in conversation.messages} == {"Ines", "Jonas", "Mira"}


def test_every_form_is_explained_under_the_name_of_its_source() -> None:
    files = ("claude-export.json", "handbook.md", "team-chat.jsonl")
    sources = {c.source for name in files for c in everything(EXAMPLES / name)[0]}
    assert sources < set(forms()) == {"claude", "chatgpt", "claude-code", "jsonl", "text"}
    assert all(len(explained) > 20 for explained in forms().values())


def test_the_examples_are_small() -> None:
    assert (EXAMPLES / "claude-export.json").stat().st_size < 200_000
