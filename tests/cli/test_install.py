"""Clients' configurations: what is written, and that everything else stays."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_rag.cli import json_text
from mcp_rag.cli.clients import Client, entries
from mcp_rag.cli.install import Installed, install, settings_to_pass_on
from mcp_rag.errors import InvalidInput, RagError
from tests.cli.command import Command

FILES = {
    Client.CLAUDE_DESKTOP: ".config/Claude/claude_desktop_config.json",
    Client.CLAUDE_CODE: ".claude.json",
    Client.VSCODE: ".config/Code/User/mcp.json",
    Client.CURSOR: ".cursor/mcp.json",
}
KEYS = {client: "servers" if client is Client.VSCODE else "mcpServers" for client in Client}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in [name for name in os.environ if name.startswith("MCP_RAG_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(params=list(Client))
def client(request: pytest.FixtureRequest) -> Client:
    return Client(request.param)


def written(home: Path, client: Client, text: str) -> Path:
    file = home / FILES[client]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_client_without_configuration_gets_one(home: Path, client: Client) -> None:
    done = install(client)
    assert (done.action, done.file) == ("added", home / FILES[client])
    found = json.loads(done.file.read_text())
    assert found == done.configuration
    entry = found[KEYS[client]]["mcp-rag"]
    assert entry["args"][-1] == "stdio"
    assert shutil.which(entry["command"])
    assert ("type" in entry) == (client in (Client.VSCODE, Client.CLAUDE_CODE))


def test_what_is_there_stays_to_the_letter(home: Path, client: Client) -> None:
    other = '"files": {"command": "npx", "args": ["-y", "é\\u00e9"]}'
    before = (
        f'{{\n    "theme": "dark", "zoom": 1.0,\n    "{KEYS[client]}": {{\n        {other}\n    }},\n'
        '    "big": 12345678901234567890\n}\n'
    )
    file = written(home, client, before)
    file.chmod(0o640)
    done = install(client)
    after = file.read_text()
    entry = json.dumps(done.configuration[KEYS[client]]["mcp-rag"], indent=4).replace("\n", "\n        ")
    assert after == before.replace("]}\n    },", f']}},\n        "mcp-rag": {entry}\n    }},')
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.with_name(f"{file.name}.bak").read_text() == before


def test_a_second_time_nothing_is_written(home: Path, client: Client) -> None:
    file = install(client).file
    before = file.stat()
    assert install(client).action == "already there"
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in file.parent.iterdir() if path.is_file()) == [file.name]


def test_an_old_entry_is_brought_up_to_date_and_keeps_what_else_it_has(
    home: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {
        "command": "/gone/mcp-rag",
        "args": ["stdio"],
        "env": {"MCP_RAG_DATABASE_URL": "secret"},
        "disabled": True,
    }
    file = written(home, client, json.dumps({KEYS[client]: {"mcp-rag": old}}))
    monkeypatch.setenv("MCP_RAG_LOG_LEVEL", "debug")
    assert install(client).action == "updated"
    entry = json.loads(file.read_text())[KEYS[client]]["mcp-rag"]
    assert entry["disabled"] is True
    assert entry["env"] == {"MCP_RAG_DATABASE_URL": "secret", "MCP_RAG_LOG_LEVEL": "debug"}
    assert entry["command"] != "/gone/mcp-rag"


@pytest.mark.parametrize(
    "text",
    [
        '{\n  // my servers\n  "servers": {}, "mcpServers": {}\n}',
        '{"servers": {}, "mcpServers": {},}',
        "[]",
        '{"servers": [], "mcpServers": []}',
        '{"a": 1, "a": 2}',
        '{"servers": {"mcp-rag": {"url": "http://x"}}, "mcpServers": {"mcp-rag": {"url": "http://x"}}}',
        "\ufffe",
    ],
)
def test_what_is_not_plainly_understood_is_left_alone(home: Path, client: Client, text: str) -> None:
    file = written(home, client, text)
    with pytest.raises(InvalidInput) as refused:
        install(client)
    assert "left alone" in refused.value.cause
    assert "by hand" in refused.value.remedy or "--name" in refused.value.remedy
    assert file.read_text() == text
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


def test_a_project_has_a_file_of_its_own(home: Path) -> None:
    project = home / "project"
    files = {client: install(client, project=project).file for client in Client if client != "claude-desktop"}
    assert files == {
        Client.CLAUDE_CODE: project / ".mcp.json",
        Client.VSCODE: project / ".vscode/mcp.json",
        Client.CURSOR: project / ".cursor/mcp.json",
    }
    with pytest.raises(InvalidInput, match="no projects"):
        install(Client.CLAUDE_DESKTOP, project=project)


def test_a_linked_configuration_stays_a_link(home: Path) -> None:
    kept = home / "dotfiles.json"
    kept.write_bytes(b"\xef\xbb\xbf{\r\n}\r\n")
    link = home / ".claude.json"
    link.symlink_to(kept)
    install(Client.CLAUDE_CODE)
    assert link.is_symlink()
    assert kept.read_bytes().startswith(b'\xef\xbb\xbf{\r\n  "mcpServers": {\r\n')
    assert b"\n" not in kept.read_bytes().replace(b"\r\n", b"")


def test_an_entry_whose_program_is_gone_is_recognised(home: Path, client: Client) -> None:
    assert list(entries(client, home)) == []
    servers = {"memory": {"command": "/gone/mcp-rag", "args": ["stdio"]}, "other": {"command": "npx"}}
    written(home, client, json.dumps({KEYS[client]: servers}))
    (found,) = entries(client, home)
    assert (found.name, found.can_start) == ("memory", False)


def test_settings_go_along_but_secrets_do_not() -> None:
    kept, left_out = settings_to_pass_on(
        {
            "MCP_RAG_DATABASE_URL": "postgresql://me:secret@db/x",
            "MCP_RAG_EMBEDDING_API_KEY": "secret",
            "MCP_RAG_DATA_DIR": "here",
            "MCP_RAG_LOG_LEVEL": "debug",
            "MCP_RAG_UNKNOWN": "secret",
            "PATH": "/bin",
        }
    )
    assert kept == {"MCP_RAG_DATA_DIR": os.path.abspath("here"), "MCP_RAG_LOG_LEVEL": "debug"}
    assert left_out == ("MCP_RAG_DATABASE_URL", "MCP_RAG_EMBEDDING_API_KEY")


def test_a_folder_that_cannot_be_written_is_said(home: Path) -> None:
    (home / ".cursor").write_text("a file where a folder should be")
    with pytest.raises(RagError, match="cannot be changed"):
        install(Client.CURSOR)


def test_the_command_line_installs_prints_and_refuses(anywhere: Command) -> None:
    anywhere = anywhere.with_environment(MCP_RAG_DATABASE_URL="postgresql://me:secret@db/x")
    done = anywhere("install", "vscode", "--json")
    told = Installed.model_validate(done.document)
    assert told.file == anywhere.home / FILES[Client.VSCODE]
    assert told.left_out == ("MCP_RAG_DATABASE_URL",)
    assert "MCP_RAG_DATABASE_URL is secret" in done.err
    assert "secret@db" not in done.out + done.err + told.file.read_text()
    assert "already there" in anywhere("install", "vscode").out
    told.file.write_text("{} // mine")
    refused = anywhere("install", "vscode", code=2)
    assert '"servers"' in refused.err
    shown = anywhere("install", "cursor", "--print")
    assert list(json.loads(shown.out)) == ["mcpServers"]
    assert not (anywhere.home / ".cursor").exists()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(
    before=st.dictionaries(st.text(), JSON, max_size=4),
    servers=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
    value=st.dictionaries(st.text(), st.text() | st.lists(st.text()), max_size=3),
    indent=st.sampled_from([None, 0, 2, 4, "\t"]),
    ascii_only=st.booleans(),
)
def test_putting_a_value_in_changes_that_value_and_no_other(
    before: dict[str, Any],
    servers: dict[str, Any] | None,
    value: dict[str, Any],
    indent: Any,
    ascii_only: bool,
) -> None:
    whole = before if servers is None else before | {"mcpServers": servers}
    if not isinstance(whole.get("mcpServers", {}), dict):
        return
    text = json.dumps(whole, indent=indent, ensure_ascii=ascii_only)
    changed = json_text.put(text, ("mcpServers", "mcp-rag"), value)
    expected = {**whole, "mcpServers": {**whole.get("mcpServers", {}), "mcp-rag": value}}
    assert json_text.parse(changed) == expected
    assert list(json_text.parse(changed)) == list(expected)
    assert json_text.put(changed, ("mcpServers", "mcp-rag"), value) == changed
