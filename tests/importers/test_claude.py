import json

from .conftest import Write
from .sources import claude_conversation, claude_message, everything


def test_text_blocks_are_kept_and_tools_and_thoughts_are_not(write: Write) -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "First."},
        {"type": "tool_use", "name": "search", "input": {}},
        {"type": "tool_result", "content": [{"type": "text", "text": "found"}]},
        {"type": "text", "text": "Second."},
    ]
    message = claude_message(1, "shown text", "assistant", content=blocks)
    ((talk,), _) = everything(write("c.json", [claude_conversation("u1", message)]))
    assert [m.text for m in talk.messages] == ["First.\n\nSecond."]
    assert talk.messages[0].speaker == "assistant"


def test_an_old_export_without_blocks_is_read_from_its_text(write: Write) -> None:
    message = claude_message(1, "plain")
    del message["content"]
    ((talk,), _) = everything(write("c.json", [claude_conversation("u1", message)]))
    assert talk.messages[0].text == "plain"


def test_a_message_of_nothing_but_a_pasted_file_is_kept(write: Write) -> None:
    pasted = [
        {"file_name": "", "extracted_content": "the lease"},
        {"file_name": "empty.txt", "extracted_content": ""},
    ]
    message = claude_message(1, "", attachments=pasted)
    ((talk,), _) = everything(write("c.json", [claude_conversation("u1", message)]))
    assert [(m.text, m.message_id) for m in talk.messages] == [("the lease", "m1/attachments/1")]


def test_broken_conversations_are_reported_and_do_not_lose_the_others(write: Write) -> None:
    export = [
        claude_conversation("u1", claude_message(1, "one")),
        {"name": "No id", "chat_messages": []},
        None,
        {"uuid": "u2", "name": "Odd", "chat_messages": {"not": "a list"}},
        claude_conversation("u3", 17, claude_message(2, "two"), name=""),
        claude_conversation("u4", name="Opened and left"),
        {"something": "else"},
    ]
    conversations, unread = everything(write("c.json", export))
    assert [(c.conversation_id, c.title) for c in conversations] == [("u1", "A talk"), ("u3", None)]
    assert [(item.place, item.reason) for item in unread] == [
        ("conversation 2 (No id)", "it has no uuid"),
        ("conversation 4 (Odd)", "its chat_messages are not a list"),
        ("conversation 5, message 1", "it is not an object"),
        ("conversation 6 (Opened and left)", "it has no message with text"),
        ("conversation 3", "it is not a conversation in a form that is known"),
        ("conversation 7", "it is not a conversation in a form that is known"),
    ]


def test_an_export_that_broke_off_gives_what_is_whole(write: Write) -> None:
    whole = json.dumps(
        [claude_conversation(f"u{n}", claude_message(n, f"text é {n}")) for n in range(5)], ensure_ascii=False
    )
    content = whole.encode()[: whole.encode().rindex("é".encode()) + 1]
    conversations, (broken,) = everything(write("c.json", content))
    assert [c.conversation_id for c in conversations] == ["u0", "u1", "u2", "u3"]
    assert conversations[0].messages[0].text == "text é 0"
    assert broken.reason.startswith(
        "nothing after conversation 4 could be read: its JSON is broken at line 1,"
    )


def test_times_that_cannot_be_read_do_not_lose_the_message(write: Write) -> None:
    times = ["yesterday", None, 1e300, float("nan"), True, "2026-03-01T10:00:00"]
    messages = [claude_message(n, f"at {time}", created_at=time) for n, time in enumerate(times)]
    ((talk,), _) = everything(write("c.json", [claude_conversation("u1", *messages)]))
    assert [m.sent_at for m in talk.messages[:-1]] == [None] * 5
    assert str(talk.messages[-1].sent_at) == "2026-03-01 10:00:00+00:00"


def test_a_single_conversation_needs_no_list_around_it(write: Write) -> None:
    ((talk,), _) = everything(write("c.json", claude_conversation("u1", claude_message(1, "alone"))))
    assert talk.conversation_id == "u1"


def test_strings_that_no_database_takes_are_passed_on_as_they_are(write: Write) -> None:
    export = json.dumps([claude_conversation("u1", claude_message(1, "half \ud83d and \0 nul"))]).encode()
    ((talk,), _) = everything(write("c.json", export.replace(b"half", b"h\xff")))
    assert talk.messages[0].text == "h\udcff \ud83d and \0 nul"
