import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Write
from .sources import everything


def test_messages_are_grouped_by_conversation_and_keep_their_order(write: Write) -> None:
    lines = [
        {
            "conversation_id": "a",
            "text": "1",
            "speaker": "Ines",
            "sent_at": "2026-03-01T10:00:00+01:00",
            "tags": ["x"],
        },
        {
            "conversation_id": "b",
            "text": "2",
            "title": "Bee",
            "source": "chat",
            "sent_at": "2026-03-01T10:00:00",
        },
        {
            "conversation_id": "a",
            "text": "3",
            "title": "Ay",
            "message_id": 7,
            "tags": ["y", "x"],
            "extra": None,
        },
        {"conversation_id": "b", "text": "4", "title": "Later title"},
    ]
    (a, b), unread = everything(write("chat.jsonl", lines))
    assert unread == []
    assert ([m.text for m in a.messages], a.title, a.source, a.tags) == (
        ["1", "3"],
        "Ay",
        "jsonl",
        ("x", "y"),
    )
    assert ([m.text for m in b.messages], b.title, b.source, b.kind) == (["2", "4"], "Bee", "chat", "chat")
    assert a.messages[1].message_id == "7"
    assert str(b.messages[0].sent_at) == "2026-03-01 10:00:00+00:00"


def test_whole_conversations_may_stand_on_a_line_or_in_a_json_list(write: Write) -> None:
    talk = {
        "conversation_id": "t",
        "title": "T",
        "kind": "document",
        "messages": [{"text": "a"}, {"text": "b"}],
    }
    for path in (write("t.jsonl", [talk]), write("t.json", [talk]), write("u.json", talk)):
        ((read_talk,), unread) = everything(path)
        assert unread == []
        assert ([m.text for m in read_talk.messages], read_talk.kind) == (["a", "b"], "document")


def test_lines_without_an_id_belong_to_the_file(write: Write) -> None:
    ((talk,), _) = everything(write("notes.jsonl", [{"text": "a"}, {"text": "b"}]))
    assert (talk.conversation_id.partition("~")[0], len(talk.messages)) == ("notes.jsonl", 2)


def test_broken_lines_are_reported_with_their_number_and_do_not_lose_the_others(write: Write) -> None:
    lines = [
        b'{"text": "good"}',
        b"",
        b'{"text": "cut of',
        b"[1]",
        b'{"text": 5}',
        b'{"text": "a", "sent_at": "soon"}',
        b'{"text": "\xff"}',
        b'{"messages": {}}',
        b'{"messages": ["a", {"text": "inner"}, {}]}',
        b"[" * 100_000,
        b'{"text": ' + b"9" * 5000 + b"}",
        b'{"text": "last"}',
    ]
    ((talk,), unread) = everything(write("c.jsonl", b"\r\n".join(lines)))
    assert [m.text for m in talk.messages] == ["good", "inner", "last"]
    reasons = {item.place: item.reason for item in unread}
    assert len(reasons) == len(unread)
    assert reasons.pop("line 3").startswith("its JSON is broken at column 10")
    assert "integer string" in reasons.pop("line 11")
    assert reasons.pop("line 6").startswith("`sent_at`: Input should be a valid datetime")
    assert reasons == {
        "line 4": "it is not a JSON object",
        "line 5": "`text`: Input should be a valid string",
        "line 7": "it is not UTF-8",
        "line 8": "`messages` is not a list",
        "line 9, message 1": "it is not a JSON object",
        "line 9, message 3": "`text`: Field required",
        "line 10": "its JSON is nested too deeply",
    }


def test_a_conversation_that_cannot_be_is_reported(write: Write) -> None:
    lines = [{"conversation_id": "a", "text": "x", "kind": "poem"}, {"conversation_id": "b", "text": 1}]
    conversations, unread = everything(write("c.jsonl", lines))
    assert conversations == []
    assert [(item.place, item.reason) for item in unread] == [
        ("line 1", "`kind`: Input should be 'chat' or 'document'"),
        ("line 2", "`text`: Input should be a valid string"),
        ("line 2", "the conversation has no message that can be read"),
    ]


def test_byte_order_marks_and_utf_16_are_read(write: Write) -> None:
    text = "".join(json.dumps({"text": word}, ensure_ascii=False) + "\n" for word in ("Crème", "塩", "🥐"))
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        ((talk,), unread) = everything(write("c.jsonl", text.encode(encoding)))
        assert unread == []
        assert [m.text for m in talk.messages] == ["Crème", "塩", "🥐"]


MEASURE = """
import resource, sys
from pathlib import Path
from mcp_rag.importers import read

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
messages = sum(len(item.messages) for item in read(Path(sys.argv[1])))
print(messages, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_a_long_file_is_read_in_the_memory_of_one_conversation(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("w") as file:
        for number in range(100_000):
            file.write(f'{{"conversation_id": "c{number % 500}", "text": "message {number} {"x" * 400}"}}\n')
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    messages, kibibytes = map(int, measured.stdout.split())
    assert messages == 100_000
    assert path.stat().st_size > 45_000_000
    assert kibibytes < 12_000
