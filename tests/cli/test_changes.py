"""ingest, forget, migrate and reembed."""

import json
import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from mcp_rag.embedding import locate
from mcp_rag.models import Extract
from mcp_rag.postgres import schema
from tests.cli.command import PATIENCE, Command, stopped


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """A file with two conversations, and a line that is broken."""
    lines = [
        {"conversation_id": "boat", "speaker": "Ada", "text": "The boat is painted green.", "title": "Boat"},
        {"conversation_id": "boat", "speaker": "Ben", "text": "It was blue before."},
        {"conversation_id": "roof", "speaker": "Ada", "text": "The roof leaks over the stairs."},
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines[:2]), "{broken", json.dumps(lines[2])]))
    return path


def test_what_is_ingested_is_found_and_sending_it_again_adds_nothing(
    mcp_rag: Command, examples: Path
) -> None:
    first = mcp_rag("ingest", examples / "handbook.md", examples / "team-chat.jsonl")
    assert first.out.startswith("4 conversations stored: 71 messages added.")
    assert "passages embedded." in first.out
    again = mcp_rag("ingest", examples / "handbook.md", examples / "team-chat.jsonl", "--json").document
    assert (again["added"], again["unchanged"], again["pending"]) == (0, 71, 0)
    assert len(again["receipts"]) == 4
    assert "Friday 11 December" in mcp_rag("search", "order stop for stollen", "--source", "jsonl").out


def test_a_broken_piece_is_told_and_the_rest_is_stored(mcp_rag: Command, chats: Path) -> None:
    told = mcp_rag("ingest", chats, chats.with_name("missing.md"), "--no-wait", code=1)
    assert "2 conversations stored: 3 messages added." in told.out
    assert f"Not read: {chats}, line 3: its JSON is broken" in told.out
    assert "Not read: " + str(chats.with_name("missing.md")) in told.out
    assert "3 passages found by words already" in told.out


def test_who_sits_at_a_terminal_sees_an_import_go_on_and_a_file_is_told_nothing_of_it(
    mcp_rag: Command, tmp_path: Path
) -> None:
    lines = [{"conversation_id": f"talk {n}", "text": f"Talk {n} of the walrus."} for n in range(100)]
    many = tmp_path / "many.jsonl"
    many.write_text("\n".join(map(json.dumps, lines)))
    terminal, other_end = pty.openpty()
    process = mcp_rag.start("ingest", many, "--json", log=Path(os.ttyname(other_end)))
    os.close(other_end)
    shown = _all_of(terminal)
    out, _ = process.communicate(timeout=PATIENCE)
    assert json.loads(out)["added"] == 100
    assert len(set(re.findall(r"Storing.*?(\d+)/\?", shown))) > 1
    assert len(set(re.findall(r"Embedding.*?(\d+)/100", shown))) > 1
    assert mcp_rag("ingest", many, "--json").err == ""


def _all_of(terminal: int) -> str:
    """What was written to it until nobody could any more."""
    said = bytearray()
    with suppress(OSError):
        while part := os.read(terminal, 65_536):
            said += part
    os.close(terminal)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())


def test_text_on_stdin_becomes_a_document(mcp_rag: Command) -> None:
    text = "# Keys\n\nThe spare key hangs behind the clock.\n"
    mcp_rag(
        "ingest", "-", "--conversation-id", "keys", "--title", "Where things are",
        "--source", "notes", "--tag", "home", "--no-wait", stdin=text,
    )  # fmt: skip
    read = Extract.model_validate(mcp_rag("fetch", "keys", "--json").document)
    assert "".join(message.text for message in read.messages) == text
    kept = read.conversation
    assert (kept.title, kept.source, kept.tags, kept.kind) == (
        "Where things are",
        "notes",
        ("home",),
        "document",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-",), "What comes on stdin has no name."),
        (("{chats}", "--conversation-id", "one"), "There are several conversations"),
        (("{chats}", "--title", "One"), "There are several conversations"),
    ],
)
def test_one_name_is_not_given_to_several_conversations(
    mcp_rag: Command, chats: Path, arguments: tuple[str, ...], said: str
) -> None:
    refused = mcp_rag("ingest", *(each.format(chats=chats) for each in arguments), "--json", code=2)
    assert said in refused.document["error"]["cause"]
    assert "receipts" not in refused.document


def test_binary_input_is_refused_in_one_sentence(mcp_rag: Command) -> None:
    refused = mcp_rag("ingest", "-", "--conversation-id", "x", stdin=b"\x00\x01\xff\xfe" * 100, code=1)
    assert "Not read: stdin cannot be imported" in refused.out
    assert "Traceback" not in refused.err


def test_stored_text_cannot_steer_the_terminal(mcp_rag: Command) -> None:
    mcp_rag("ingest", "-", "--conversation-id", "trap", "--no-wait", stdin="red \x1b[31m alert \x07\x9b")
    assert "red ␛[31m alert ␇�" in mcp_rag("fetch", "trap").out


def test_forgetting_is_tried_first_and_lasts(mcp_rag: Command, chats: Path) -> None:
    mcp_rag("ingest", chats, "--no-wait", code=1)
    assert "Nothing was removed." in mcp_rag("forget", "boat").out
    removed = mcp_rag("forget", "boat", "--yes", "--json").document
    assert (removed["dry_run"], removed["messages"], removed["conversation_ids"]) == (False, 2, ["boat"])
    assert "Skipped: boat: all of it was forgotten" in mcp_rag("ingest", chats, "--no-wait", code=1).out
    assert mcp_rag("ingest", chats, "--no-wait", "--restore", "--json", code=1).document["added"] == 2
    assert mcp_rag("forget", "conversation://boat/messages/1", "--yes", "--json").document["messages"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 2), (("conversation://a/messages/1", "b"), 2), (("nowhere",), 1)],
)
def test_what_cannot_be_forgotten_is_said(mcp_rag: Command, arguments: tuple[str, ...], code: int) -> None:
    refused = mcp_rag("forget", *arguments, "--yes", code=code)
    assert len(refused.err.splitlines()) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_stopped_ingest_says_what_is_stored_and_loses_none_of_it(
    mcp_rag: Command, owner: asyncpg.Connection, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    many = tmp_path / "many.jsonl"
    text = "A message about the weather in the mountains. " * 40
    many.write_text(
        "".join(
            json.dumps({"conversation_id": f"day {day}", "text": f"{day}.{hour} {text}"}) + "\n"
            for day in range(4000)
            for hour in range(4)
        )
    )
    process = mcp_rag.start("ingest", many, "--json")
    await _stored(owner, process, at_least=5)
    told = stopped(process, number)
    assert told.code == code, told
    assert told.document["error"]["type"] == "Stopped"
    assert 5 <= told.document["conversations"] < 4000
    assert told.document["conversations"] == await owner.fetchval("SELECT count(*) FROM conversation")
    assert "Stopped before the end." in told.err


async def test_migrate_prepares_a_database_and_says_where_alembic_is_configured(
    mcp_rag: Command, owner: asyncpg.Connection
) -> None:
    await owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    migrated = mcp_rag("migrate", "--json").document
    assert migrated == {"revision": schema.REVISION, "dimensions": 384}
    assert await owner.fetchval("SELECT to_regclass('embedding_384')") is not None
    assert mcp_rag("migrate", "--print-config").out.strip() == str(schema.config_file())


def test_the_model_of_a_store_is_changed_only_by_reembed(
    mcp_rag: Command, chats: Path, tmp_path: Path
) -> None:
    mcp_rag("ingest", chats, code=1)
    other = mcp_rag.with_environment(MCP_RAG_MODEL_PATH=str(_other_weights(tmp_path / "model")))
    refused = other("search", "colour", "of", "the", "boat", code=4)
    assert "mcp-rag reembed" in refused.err
    assert other("reembed", "--json").document == {"passages": 3, "model": "bge-small-en-v1.5"}
    assert "painted green" in other("search", "colour", "of", "the", "boat").out
    mcp_rag("search", "boat", code=4)


def _other_weights(folder: Path) -> Path:
    """The same model in another file: it ends in a field that no reader knows."""
    files = locate.find("bge-small-en-v1.5", "onnx", path=None, allow_download=False)
    folder.mkdir()
    for name in files.folder.iterdir():
        if name.suffix == ".json":
            (folder / name.name).write_bytes(name.read_bytes())
    (folder / "model.onnx").write_bytes(files.weights[0].read_bytes() + b"\xba\x3e\x00")
    return folder


async def _stored(owner: asyncpg.Connection, process: "subprocess.Popen[bytes]", *, at_least: int) -> None:
    while await owner.fetchval("SELECT count(*) FROM conversation") < at_least:
        assert process.poll() is None, process.communicate()
