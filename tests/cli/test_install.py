"""Clients' configurations: what is written, and that everything else stays."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_rag.cli import commented_json, json_text, toml_text
from mcp_rag.cli.clients import Client, entries
from mcp_rag.cli.install import Installed, install, remove, settings_to_pass_on
from mcp_rag.errors import InvalidInput, RagError
from tests.cli.command import Command

FILES = {
    Client.CLAUDE_DESKTOP: ".config/Claude/claude_desktop_config.json",
    Client.CLAUDE_CODE: ".claude.json",
    Client.VSCODE: ".config/Code/User/mcp.json",
    Client.CURSOR: ".cursor/mcp.json",
    Client.WINDSURF: ".codeium/windsurf/mcp_config.json",
    Client.CODEX: ".codex/config.toml",
    Client.ZED: ".config/zed/settings.json",
}
KEYS = dict.fromkeys(Client, "mcpServers") | {
    Client.VSCODE: "servers",
    Client.CODEX: "mcp_servers",
    Client.ZED: "context_servers",
}
WITH_JSON = [client for client in Client if client is not Client.CODEX]
WITH_COMMENTS = [Client.VSCODE, Client.ZED]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("CODEX_HOME", raising=False)
    for name in [name for name in os.environ if name.startswith("MCP_RAG_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(params=list(Client))
def client(request: pytest.FixtureRequest) -> Client:
    return Client(request.param)


with_json = pytest.mark.parametrize("client", WITH_JSON)


def read(file: Path) -> dict[str, Any]:
    text = file.read_text()
    return dict(tomllib.loads(text) if file.suffix == ".toml" else json.loads(text))


def entry_in(done: Installed, client: Client) -> dict[str, Any]:
    return dict(done.configuration[KEYS[client]]["mcp-rag"])


def written(home: Path, client: Client, text: str) -> Path:
    file = home / FILES[client]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_client_without_configuration_gets_one(home: Path, client: Client) -> None:
    done = install(client)
    assert (done.action, done.file) == ("added", home / FILES[client])
    found = read(done.file)
    assert found == done.configuration
    entry = found[KEYS[client]]["mcp-rag"]
    assert entry["args"][-1] == "stdio"
    assert shutil.which(entry["command"])
    assert ("type" in entry) == (client in (Client.VSCODE, Client.CLAUDE_CODE))


@with_json
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
    file = written(home, client, client.notation.written({KEYS[client]: {"mcp-rag": old}}))
    monkeypatch.setenv("MCP_RAG_LOG_LEVEL", "debug")
    assert install(client).action == "updated"
    entry = read(file)[KEYS[client]]["mcp-rag"]
    assert entry["disabled"] is True
    assert entry["env"] == {"MCP_RAG_DATABASE_URL": "secret", "MCP_RAG_LOG_LEVEL": "debug"}
    assert entry["command"] != "/gone/mcp-rag"


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"SERVERS": []}',
        '{"a": 1, "a": 2}',
        '{"SERVERS": {"mcp-rag": {"url": "http://x"}}}',
        '{"SERVERS": {"mcp-rag": {"serverUrl": "http://x"}}}',
        "\ufffe",
    ],
)
@with_json
def test_what_is_not_plainly_understood_is_left_alone(home: Path, client: Client, text: str) -> None:
    refuses(home, client, text.replace("SERVERS", KEYS[client]))


@pytest.mark.parametrize("text", ['{\n  // my servers\n  "SERVERS": {}\n}', '{"SERVERS": {},}'])
@pytest.mark.parametrize("client", [client for client in WITH_JSON if client not in WITH_COMMENTS])
def test_comments_that_the_client_does_not_read_itself_are_left_alone(
    home: Path, client: Client, text: str
) -> None:
    refuses(home, client, text.replace("SERVERS", KEYS[client]))


ZED = """// Zed settings
//
// For information on how to configure Zed, see the Zed
// documentation: https://zed.dev/docs/configuring-zed
{
  "ui_font_size": 16, /* "not": "a key" */
  "theme": "One // Dark", // the night
}
"""


@pytest.mark.parametrize("client", WITH_COMMENTS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ZED, ZED.replace("// the night\n", '// the night\n  "SERVERS": {ENTRY}\n')),
        ("{ // none\n}", '{ // none\n  "SERVERS": {ENTRY}\n}'),
        ('{"SERVERS": {} /* none */}', '{"SERVERS": {ENTRY} /* none */}'),
        (
            '{\n  "SERVERS": {\n    "a": {} // one\n    // "b": {}\n  },\n}',
            '{\n  "SERVERS": {\n    "a": {}, // one\n    // "b": {}ENTRY\n  },\n}',
        ),
        (
            '{\n  "SERVERS": {\n    // one\n    "a": {},\n  }\n}',
            '{\n  "SERVERS": {\n    // one\n    "a": {},ENTRY\n  }\n}',
        ),
        ('{"a": 1 // one\n}', '{"a": 1, // one\n  "SERVERS": {ENTRY}\n}'),
    ],
    ids=["zed's own", "empty", "no servers", "a server aside", "a comma too many", "on one line"],
)
def test_comments_stay_where_the_client_reads_them(
    home: Path, client: Client, before: str, after: str
) -> None:
    before, after = (text.replace("SERVERS", KEYS[client]) for text in (before, after))
    file = written(home, client, before)
    assert install(client).action == "added"
    begun, rest = after.split("{ENTRY}" if "{ENTRY}" in after else "ENTRY")
    text = file.read_text()
    assert text.startswith(begun) and text.endswith(rest)
    assert '"mcp-rag": {' in text[len(begun) : len(text) - len(rest)]
    assert install(client).action == "already there"
    assert remove(client).action == "removed"
    assert said(file.read_text()) == said(before)


@pytest.mark.parametrize("client", WITH_COMMENTS)
@pytest.mark.parametrize("text", ["{} /* no end", '{"a": "x // y}', "{,}", "{/}", '{"a" 1}', "// nothing"])
def test_what_is_no_json_without_its_comments_either_is_left_alone(
    home: Path, client: Client, text: str
) -> None:
    refuses(home, client, text)


def test_an_update_keeps_the_comments_within_the_entry(home: Path) -> None:
    entry = """{
  "context_servers": {
    "mcp-rag": {
      "command": "/gone/mcp-rag", // the old one
      // my own
      "env": {
        "MINE": "1", // it is needed
      },
    },
  },
}
"""
    file = written(home, Client.ZED, entry)
    assert install(Client.ZED).action == "updated"
    text = file.read_text()
    assert [
        line for line in ("// the old one", "// my own", '"MINE": "1", // it is needed') if line not in text
    ] == []
    assert "/gone/" not in text


@pytest.mark.parametrize(
    "text",
    [
        'model = "x',
        "model = 1\nmodel = 2\n",
        "mcp_servers = []\n",
        "mcp_servers = {} # on one line\n",
        '[mcp_servers]\nmcp-rag = "x"\n',
        '[mcp_servers.mcp-rag]\nurl = "http://x"\n',
    ],
)
def test_toml_that_takes_no_entry_is_left_alone(home: Path, text: str) -> None:
    refuses(home, Client.CODEX, text)


def test_an_edit_that_would_change_another_entry_is_not_made(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A table within dotted keys would take in what follows.
    text = 'mcp_servers.mcp-rag.command = "x"\nmcp_servers.files.command = "npx"\n'
    monkeypatch.setenv("MCP_RAG_LOG_LEVEL", "debug")
    refuses(home, Client.CODEX, text)


def refuses(home: Path, client: Client, text: str) -> None:
    file = written(home, client, text)
    with pytest.raises(InvalidInput) as refused:
        install(client)
    assert "left alone" in refused.value.cause
    assert "by hand" in refused.value.remedy or "--name" in refused.value.remedy
    assert file.read_text() == text
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


TOML = """\
# What I like.
model = "gpt-6"   # the newest
"quoted key" = [ 1,2 ]

[mcp_servers.files]
command = 'npx' # mine
env = { B = "é" }

  [projects."/home/me"] # indented
  trust_level = "trusted"
# The end."""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_there_stays_to_the_letter_in_toml(home: Path, newline: str) -> None:
    before = TOML.replace("\n", newline).encode()
    file = written(home, Client.CODEX, "")
    file.write_bytes(before)
    file.chmod(0o640)
    done = install(Client.CODEX)
    after = file.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\r\n") == (after.count(b"\n") if newline == "\r\n" else 0)
    assert read(file) == tomllib.loads(TOML) | {
        "mcp_servers": {
            "files": {"command": "npx", "env": {"B": "é"}},
            "mcp-rag": entry_in(done, Client.CODEX),
        }
    }
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.with_name("config.toml.bak").read_bytes() == before


def test_an_update_in_toml_keeps_the_comments_beside_it(home: Path) -> None:
    text = f"""{TOML}

[mcp_servers.mcp-rag] # my memory
command = "/gone/mcp-rag" # where it was
args = ["stdio"]     # as ever
startup_timeout_sec = 4_0 # slow disk

[tui] # last
theme = "dark"
"""
    file = written(home, Client.CODEX, text)
    done = install(Client.CODEX)
    line = 'command = "/gone/mcp-rag"'
    args = 'args = ["stdio"]'
    entry = entry_in(done, Client.CODEX)
    expected = text.replace(line, f'command = "{entry["command"]}"')
    assert file.read_text() == expected.replace(args, f"args = {json.dumps(entry['args'])}")


@pytest.mark.parametrize("place", ["first", "between", "last"])
def test_what_was_put_in_is_taken_out_and_the_rest_is_as_before(
    home: Path, client: Client, place: str
) -> None:
    entry = {"command": "/somewhere/mcp-rag", "args": ["stdio"]}
    others = {name: {"command": "npx", "args": ["-y", name]} for name in ("one", "two")}
    servers = list(others.items())
    servers.insert(("first", "between", "last").index(place), ("mcp-rag", entry))
    told = client.notation.written
    file = written(home, client, told({"a": 1, KEYS[client]: dict(servers), "z": {"b": 2}}) + "\n")
    done = remove(client)
    assert done.action == "removed"
    assert done.configuration == {}
    assert file.read_text().split() == told({"a": 1, KEYS[client]: others, "z": {"b": 2}}).split()
    assert read(file) == {"a": 1, KEYS[client]: others, "z": {"b": 2}}
    assert remove(client).action == "not there"


def test_install_and_remove_leave_what_they_found(home: Path, client: Client) -> None:
    before = client.notation.written({KEYS[client]: {"one": {"command": "npx"}}}) + "\n"
    file = written(home, client, before)
    install(client)
    assert file.read_text() != before
    remove(client)
    assert file.read_text().rstrip("\n") == before.rstrip("\n")


def test_the_only_entry_is_taken_out_too(home: Path, client: Client) -> None:
    assert remove(client).action == "not there"
    file = install(client).file
    remove(client)
    assert read(file).get(KEYS[client], {}) == {}


def test_somebody_else_s_server_is_not_taken_out(home: Path, client: Client) -> None:
    text = client.notation.written({KEYS[client]: {"files": {"command": "npx", "args": []}}})
    file = written(home, client, text)
    with pytest.raises(InvalidInput, match="another server"):
        remove(client, name="files")
    assert file.read_text() == text


# As when the power fails: the kernel ends the process in the middle of the write.
ENDED_WITHIN_THE_WRITE = """
import resource, signal, sys
from mcp_rag.cli.clients import Client
from mcp_rag.cli.install import install
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
install(Client(sys.argv[1]))
"""


def test_a_crash_within_the_write_leaves_the_file_as_it_was(home: Path, client: Client) -> None:
    before = client.notation.written({"text": "x" * 2000})
    file = written(home, client, before)
    done = subprocess.run([sys.executable, "-c", ENDED_WITHIN_THE_WRITE, client], check=False)
    assert done.returncode == -signal.SIGXFSZ
    assert file.read_text() == before
    assert install(client).action == "added"


def test_a_full_disk_leaves_the_file_as_it_was(home: Path, client: Client) -> None:
    before = client.notation.written({"text": "x" * 2000})
    file = written(home, client, before)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    try:
        with pytest.raises(RagError, match="cannot be changed"):
            install(client)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


def test_a_project_has_a_file_of_its_own(home: Path) -> None:
    project = home / "project"
    without = (Client.CLAUDE_DESKTOP, Client.WINDSURF)
    files = {client: install(client, project=project).file for client in Client if client not in without}
    assert files == {
        Client.CLAUDE_CODE: project / ".mcp.json",
        Client.VSCODE: project / ".vscode/mcp.json",
        Client.CURSOR: project / ".cursor/mcp.json",
        Client.CODEX: project / ".codex/config.toml",
        Client.ZED: project / ".zed/settings.json",
    }
    for client in without:
        with pytest.raises(InvalidInput, match=f"{client.product} has no projects"):
            install(client, project=project)


def test_codex_and_zed_are_found_where_their_users_have_moved_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(home / "codex"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    assert install(Client.CODEX).file == home / "codex/config.toml"
    assert install(Client.ZED).file == home / "settings/zed/settings.json"


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
    written(home, client, client.notation.written({KEYS[client]: servers}))
    (found,) = entries(client, home)
    assert (found.name, found.can_start) == ("memory", False)


def test_settings_go_along_but_secrets_do_not() -> None:
    kept, left_out = settings_to_pass_on(
        {
            "MCP_RAG_DATABASE_URL": "postgresql://me:secret@db/x",
            "MCP_RAG_EMBEDDING_API_KEY": "secret",
            "MCP_RAG_DATA_DIR": "here",
            "MCP_RAG_LOG_LEVEL": "debug",
            "MCP_RAG_MODEL_PATH": "",
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
    told.file.write_text("{} /* mine")
    refused = anywhere("install", "vscode", code=2)
    assert '"servers"' in refused.err
    shown = anywhere("install", "cursor", "--print")
    assert list(json.loads(shown.out)) == ["mcpServers"]
    assert not (anywhere.home / ".cursor").exists()
    shown = anywhere("install", "codex", "--print")
    assert "mcp-rag" in tomllib.loads(shown.out)["mcp_servers"]


def test_the_command_line_takes_an_entry_out_again(anywhere: Command) -> None:
    anywhere("install", "codex")
    assert "removed" in anywhere("install", "codex", "--remove").out
    assert (anywhere.home / FILES[Client.CODEX]).read_text() == ""
    assert "not there" in anywhere("install", "codex", "--remove").out
    assert "exclude each other" in anywhere("install", "codex", "--remove", "--print", code=2).err


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
    rest = json_text.without(changed, ("mcpServers", "mcp-rag"))
    del expected["mcpServers"]["mcp-rag"]
    assert json_text.parse(rest) == expected
    if whole.get("mcpServers") and "mcp-rag" not in whole["mcpServers"]:
        assert rest == text


MARKED = re.compile(r'("(?:[^"\\]|\\.)*"|[{}\[\]:,])')
COMMENTS = st.sampled_from(["", "", "/* { */", '// "a": 1\n', " /**/ ", "//\r\n", '/* " */'])


@settings(max_examples=200)
@given(
    data=st.data(),
    before=st.dictionaries(st.text(), JSON, max_size=4),
    servers=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
    value=st.dictionaries(st.text(), st.text() | st.lists(st.text()), max_size=3),
    indent=st.sampled_from([None, 2, "\t"]),
)
def test_putting_a_value_among_comments_keeps_them_all(
    data: st.DataObject,
    before: dict[str, Any],
    servers: dict[str, Any] | None,
    value: dict[str, Any],
    indent: Any,
) -> None:
    keys = ("servers", "mcp-rag")
    whole = {key: each for key, each in before.items() if key != "servers"}
    whole |= {} if servers is None else {"servers": {k: v for k, v in servers.items() if k != "mcp-rag"}}
    parts = [part for part in MARKED.split(json.dumps(whole, indent=indent)) if part]
    comments = [data.draw(COMMENTS) for _ in range(len(parts) + 1)]
    text = comments[0] + "".join(part + comment for part, comment in zip(parts, comments[1:], strict=True))
    assert commented_json.parse(text) == whole
    changed = commented_json.put(text, keys, value)
    expected = {**whole, "servers": {**whole.get("servers", {}), "mcp-rag": value}}
    assert commented_json.parse(changed) == expected
    assert said(changed) == said(text)
    assert commented_json.put(changed, keys, value) == changed
    less = commented_json.without(changed, keys)
    del expected["servers"]["mcp-rag"]
    assert commented_json.parse(less) == expected
    assert said(less) == said(text)


def said(text: str) -> list[str]:
    """The comments in a text."""
    found = re.findall(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*.*?\*/', text, re.DOTALL)
    return [each.rstrip() for each in found if not each.startswith('"')]


VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
TABLES = st.dictionaries(st.text(), VALUES | st.lists(VALUES, max_size=3), max_size=4)


@settings(max_examples=50)
@given(
    before=st.dictionaries(st.text(), VALUES | TABLES, max_size=4),
    servers=st.none() | st.dictionaries(st.text(), TABLES, max_size=3),
    value=st.dictionaries(st.text(), st.text() | st.lists(st.text()), max_size=3),
)
def test_putting_a_table_in_changes_that_table_and_no_other(
    before: dict[str, Any], servers: dict[str, Any] | None, value: dict[str, Any]
) -> None:
    keys = ("mcp_servers", "mcp-rag")
    whole = {key: each for key, each in before.items() if key != "mcp_servers"}
    whole |= {} if servers is None else {"mcp_servers": servers}
    text = toml_text.written(whole)
    changed = toml_text.put(text, keys, value)
    expected = {**whole, "mcp_servers": {**whole.get("mcp_servers", {}), "mcp-rag": value}}
    assert toml_text.parse(changed) == expected
    if "mcp-rag" not in (servers or {}):
        assert changed.startswith(text)
    assert toml_text.put(changed, keys, value) == changed
    del expected["mcp_servers"]["mcp-rag"]
    left = toml_text.parse(toml_text.without(changed, keys))
    assert left | {"mcp_servers": left.get("mcp_servers", {})} == expected
