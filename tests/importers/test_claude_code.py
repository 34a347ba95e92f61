from typing import Any

from .conftest import Write
from .sources import everything


def line(number: int, content: object, role: str = "user", **more: Any) -> dict[str, Any]:
    return {
        "type": role,
        "uuid": f"l{number}",
        "sessionId": "s1",
        "cwd": "/home/ines/crumb",
        "timestamp": f"2026-05-01T08:{number:02d}:00.000Z",
        "message": {"role": role, "content": content},
    } | more


def test_what_was_said_is_kept_and_what_tools_did_is_not(write: Write) -> None:
    lines = [
        {"type": "file-history-snapshot", "messageId": "x"},
        {"type": "summary", "summary": "Slots for pick-up", "leafUuid": "l4"},
        {"type": "summary", "summary": "Another file's", "leafUuid": "elsewhere"},
        line(1, "add slots"),
        line(2, [{"type": "thinking", "thinking": "hm"}], "assistant"),
        line(3, [{"type": "tool_use", "name": "Bash", "input": {}}], "assistant"),
        line(4, [{"type": "tool_result", "content": "ok"}]),
        line(5, [{"type": "text", "text": "Done."}, {"type": "text", "text": "Tests pass."}], "assistant"),
        {"type": "system", "sessionId": "s1", "content": "compacted"},
    ]
    ((session,), unread) = everything(write("s1.jsonl", lines))
    assert unread == []
    assert (session.conversation_id, session.title, session.source) == (
        "s1",
        "Slots for pick-up",
        "claude-code",
    )
    assert session.tags == ("crumb",)
    assert [(m.speaker, m.text, m.message_id) for m in session.messages] == [
        ("user", "add slots", "l1"),
        ("assistant", "Done.\n\nTests pass.", "l5"),
    ]
    assert str(session.messages[0].sent_at) == "2026-05-01 08:01:00+00:00"


def test_lines_that_nobody_said_are_left_out(write: Write) -> None:
    lines = [
        line(1, "<command-name>/clear</command-name>"),
        line(2, "<local-command-stdout>(no content)</local-command-stdout>"),
        line(3, "a caveat", isMeta=True),
        line(4, "find the file", isSidechain=True),
        line(5, "The talk so far", isCompactSummary=True),
        line(6, [{"type": "text", "text": "API Error: 529"}], "assistant", isApiErrorMessage=True),
        line(
            7,
            [
                {"type": "text", "text": "<system-reminder>x</system-reminder>"},
                {"type": "text", "text": "go on"},
            ],
        ),
    ]
    ((session,), _) = everything(write("s1.jsonl", lines))
    assert [m.text for m in session.messages] == ["go on"]


def test_a_session_in_which_nobody_speaks_is_reported(write: Write) -> None:
    conversations, (unread,) = everything(write("s1.jsonl", [line(1, "sub-agent", isSidechain=True)]))
    assert conversations == []
    assert (unread.place, unread.reason) == ("session s1", "nobody says anything in it")


def test_sessions_in_one_file_are_told_apart_and_a_given_title_is_preferred(write: Write) -> None:
    lines = [
        line(1, "one", sessionId="old", cwd="C:\\work\\till"),
        line(2, "two", sessionId="new"),
        {"type": "ai-title", "aiTitle": "Guessed", "sessionId": "new"},
        {"type": "custom-title", "customTitle": "Chosen", "sessionId": "new"},
        {"type": "ai-title", "aiTitle": "Guessed again", "sessionId": "old"},
        line(3, "three", sessionId="old"),
    ]
    (old, new), _ = everything(write("s.jsonl", lines))
    assert ([m.text for m in old.messages], old.title, old.tags) == (
        ["one", "three"],
        "Guessed again",
        ("till",),
    )
    assert ([m.text for m in new.messages], new.title, new.tags) == (["two"], "Chosen", ("crumb",))
