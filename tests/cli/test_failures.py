"""What is said, and with which exit code, when a part is missing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcp_rag import __version__
from mcp_rag.cli.app import app
from mcp_rag.postgres.embedded import EmbeddedServer
from tests.cli.command import Command, stopped, until

NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"
VERBS = (
    "stdio", "serve", "ingest", "search", "ask", "fetch", "list", "forget", "reembed", "migrate", "status",
    "doctor", "demo", "install",
)  # fmt: skip


def test_help_lists_every_verb_and_the_exit_codes(anywhere: Command) -> None:
    told = anywhere("--help").out
    listed = {line.split()[1] for line in told.splitlines() if line.startswith("│ ")}
    assert set(VERBS) <= listed
    assert "resident" not in listed
    assert "3 the database cannot be used" in " ".join(told.split())
    assert anywhere("--version").out == f"mcp-rag {__version__}\n"


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"stdio"}))
def test_every_verb_explains_itself(verb: str) -> None:
    told = CliRunner().invoke(app, [verb, "--help"])
    assert told.exit_code == 0
    assert "--json" in told.output or verb == "serve"


def test_an_unreachable_database_exits_with_3(anywhere: Command) -> None:
    lost = anywhere.with_environment(MCP_RAG_DATABASE_URL=NOBODY)("list", "--json", code=3)
    assert lost.document["error"]["type"] == "StoreUnavailable"
    assert "MCP_RAG_DATABASE_URL" in lost.document["error"]["remedy"]
    assert "Traceback" not in lost.err


def test_a_setting_that_cannot_be_used_exits_with_2(anywhere: Command) -> None:
    refused = anywhere.with_environment(MCP_RAG_POOL_SIZE="many")("status", code=2)
    assert refused.err.startswith("MCP_RAG_POOL_SIZE: ")


def test_without_its_model_a_search_goes_by_words_and_says_why(reading: Command) -> None:
    lame = reading.with_environment(MCP_RAG_EMBEDDING_MODEL="no-such-model")
    found = lame("search", "oven", "repair")
    assert "Found by words alone" in found.out
    assert "no-such-model" in found.out
    assert found.err == ""


def test_without_its_model_an_ingest_stores_and_exits_with_4(mcp_rag: Command) -> None:
    lame = mcp_rag.with_environment(MCP_RAG_EMBEDDING_MODEL="no-such-model")
    told = lame("ingest", "-", "--conversation-id", "note", "--json", stdin="A note.", code=4)
    assert told.document["added"] == 1
    assert told.document["error"]["type"] == "ModelNotFound"
    assert mcp_rag("list").out.startswith("note\t1\t")


def test_stopped_while_its_server_starts_it_leaves_none_behind(anywhere: Command, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    command = anywhere.with_environment(MCP_RAG_DATA_DIR=str(server.data_dir))
    process = command.start("list")
    until(server.home.exists, process)
    try:
        assert stopped(process, signal.SIGINT).code == 130
        assert command.processes() == []
    finally:
        server.destroy()


def test_a_reader_that_leaves_early_is_no_error_to_shout_about(reading: Command) -> None:
    script = f"{sys.executable} -m mcp_rag list --limit 100 | head -1"
    done = subprocess.run(
        ["sh", "-c", script], env=reading.environment, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
