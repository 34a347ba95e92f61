"""Which file is read how, and what is said of those that are not."""

import os
import zipfile
from pathlib import Path

import pytest

from mcp_rag.errors import InvalidInput, UnreadableSource
from mcp_rag.importers import read

from .conftest import Write
from .sources import chatgpt_conversation, chatgpt_node, claude_conversation, claude_message, everything

CLAUDE = [claude_conversation("u1", claude_message(1, "one"))]


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_json", ".json"), content)
    return path


@pytest.mark.parametrize("name", ["c.json", "conversations", "export.txt.bak", "c.jsonl"])
def test_an_export_is_known_by_its_content(write: Write, name: str) -> None:
    path = write("source.json", CLAUDE)
    ((talk,), _) = everything(path.rename(path.with_name(name)))
    assert talk.source == "claude"


def test_lines_are_known_by_their_content_even_under_another_name(write: Write) -> None:
    ((talk,), _) = everything(write("chat.json", '\ufeff{"text": "a"}\n{"text": "b"}\n'))
    assert (talk.source, len(talk.messages)) == ("jsonl", 2)


@pytest.mark.parametrize(
    "text", ["[section]\nkey = 1\n", "{curly} words", "plain words", "[link](x) and more"]
)
def test_a_file_of_unknown_suffix_that_is_text_is_a_document(write: Write, text: str) -> None:
    ((document,), _) = everything(write("README", text))
    assert (document.kind, document.messages[0].text) == ("document", text)


def test_two_exports_in_one_list_are_both_read(write: Write) -> None:
    both = [*CLAUDE, chatgpt_conversation(chatgpt_node("q", None, "hi"))]
    conversations, _ = everything(write("c.json", both))
    assert [c.source for c in conversations] == ["claude", "chatgpt"]


def test_an_archive_is_read_as_it_was_downloaded(write: Write, tmp_path: Path) -> None:
    export = write("c.json", CLAUDE).read_bytes()
    path = archive(
        tmp_path / "data.zip", data__conversations_json=export, users_json=b"[]", projects_json=b"[]"
    )
    ((talk,), (left,)) = everything(path)
    assert (talk.conversation_id, left.reason) == ("u1", "2 other files in it hold no conversations")


def test_a_chatgpt_archive_in_several_parts_is_read_whole(write: Write, tmp_path: Path) -> None:
    parts = [
        write(
            "c.json", [chatgpt_conversation(chatgpt_node("q", None, "hi"), conversation_id=f"g{n}")]
        ).read_bytes()
        for n in range(2)
    ]
    path = archive(
        tmp_path / "data.zip", **{f"conversations-00{n}_json": part for n, part in enumerate(parts)}
    )
    assert [c.conversation_id for c in everything(path)[0]] == ["g0", "g1"]


def test_damaged_locked_and_foreign_archives_are_refused(write: Write, tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.zip", conversations_json=b"[" + b" " * 10_000 + b"]").read_bytes()
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    torn = whole[:40] + b"\xff" * 8 + whole[48:]
    causes = {
        "is damaged": [whole[:-30], torn],
        "is locked": [bytes(locked)],
        "no conversation": [whole, archive(tmp_path / "photos.zip", photo=b"x").read_bytes()],
    }
    for cause, contents in causes.items():
        for content in contents:
            with pytest.raises(UnreadableSource, match=cause):
                everything(write("x.zip", content))


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("package.json", '{"name": "x", "version": "1"}', "it holds no conversation in a form that is known"),
        ("numbers.json", "[1, 2, 3]", "it holds no conversation in a form that is known"),
        ("empty.json", "", "it is empty"),
        ("empty.json", "[]", "it holds no conversation in a form that is known"),
        ("torn.json", '[{"uuid": "u1", "chat_mess', "its JSON is broken at line 1, column 17: "),
        ("deep.json", "[" * 100_000, "its JSON is broken at line 1, column 2: nested too deeply"),
        ("number.json", "9" * 5000, "its JSON is broken at line 1, column 1: Exceeds the limit"),
        ("image.json", b"\x89PNG\0\xff", "its JSON is broken at line 1, column 1: "),
        (
            "log.jsonl",
            '{"level": "info"}\n{"level": "warn"}\n',
            "none of its lines is a message in a form that is known",
        ),
        ("empty.jsonl", "", "none of its lines is a message in a form that is known"),
        ("missing.md", None, "it cannot be opened: No such file or directory"),
    ],
)
def test_a_file_without_conversations_is_refused_with_cause_and_remedy(
    write: Write, tmp_path: Path, name: str, content: str | bytes | None, cause: str
) -> None:
    path = tmp_path / name if content is None else write(name, content)
    with pytest.raises(UnreadableSource) as caught:
        everything(path)
    assert caught.value.cause.startswith(f"{path} cannot be imported: {cause}")
    assert caught.value.remedy.endswith(".")


def test_more_after_the_end_of_the_json_is_reported(write: Write) -> None:
    path = write("c.json", write("a.json", CLAUDE).read_text() + "]")
    conversations, (unread,) = everything(path)
    column = len(path.read_text())
    assert len(conversations) == 1
    assert str(unread) == (
        f"{path}: nothing after conversation 1 could be read: "
        f"its JSON is broken at line 1, column {column}: there is more after the end"
    )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(UnreadableSource, match="it is neither a file nor a folder"):
        everything(tmp_path / "pipe.md")
    assert [item.reason for item in everything(tmp_path)[1]] == ["it is neither a file nor a folder"]


def test_a_folder_is_read_with_word_on_all_that_was_left_out(write: Write, tmp_path: Path) -> None:
    write("b/deep/note.md", "# Note")
    write("b/a.txt", "text")
    write("conversations.json", CLAUDE)
    write(".git/config.md", "hidden")
    write("b/.secret.md", "hidden")
    write("photo.png", b"\x89PNG")
    write("Makefile", "all:")
    write("users.json", [{"uuid": "a"}])
    write("torn.json", '{"uuid": "u1"')
    (tmp_path / "b" / "ring").symlink_to(tmp_path)
    conversations, unread = everything(tmp_path)
    names = [c.conversation_id.partition("~")[0] for c in conversations]
    assert names == ["u1", "a.txt", "note.md"]
    reasons = {item.path.relative_to(tmp_path).as_posix(): item.reason for item in unread}
    assert reasons.pop("torn.json").startswith("its JSON is broken at line 1")
    assert reasons == {
        ".git": "it is hidden",
        "b/.secret.md": "it is hidden",
        "b/ring": "it is a link to a folder",
        "photo.png": ".png is not a kind that is imported",
        "Makefile": "a file without suffix is not a kind that is imported",
        "users.json": "it holds no conversation in a form that is known",
    }


def test_files_of_the_same_name_in_two_folders_are_two_documents(write: Write, tmp_path: Path) -> None:
    ((one,), _), ((two,), _) = (everything(write(f"{folder}/n.md", "# Note")) for folder in "ab")
    assert one.conversation_id != two.conversation_id


def test_a_file_has_the_same_name_alone_and_in_its_folder(write: Write, tmp_path: Path) -> None:
    ((alone,), _) = everything(write("b/n.md", "# Note"))
    ((among,), _) = everything(tmp_path)
    assert alone.conversation_id == among.conversation_id


def test_a_given_name_names_the_one_conversation(write: Write) -> None:
    ((document,), _) = everything(write("n.md", "# Note"), conversation_id="handbook")
    assert (document.conversation_id, document.title) == ("handbook", "Note")


def test_one_name_for_several_conversations_is_refused_before_any_is_read(write: Write) -> None:
    two = [
        claude_conversation("u1", claude_message(1, "a")),
        claude_conversation("u2", claude_message(1, "b")),
    ]
    items = read(write("c.json", two), conversation_id="mine")
    with pytest.raises(InvalidInput, match="cannot all be named 'mine'"):
        next(items)
