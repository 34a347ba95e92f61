"""MCP clients: where each keeps its configuration, and what it says about this server."""

import os
import shutil
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import platformdirs

from mcp_rag.cli import commented_json, json_text, toml_text
from mcp_rag.errors import InvalidInput
from mcp_rag.models import Frozen

NAME = "mcp-rag"


class Notation(Protocol):
    """How a configuration is written: `json_text`, `commented_json` or `toml_text`."""

    NAME: str
    EMPTY: str

    def parse(self, text: str) -> dict[str, Any]: ...

    def put(self, text: str, keys: tuple[str, ...], value: dict[str, Any]) -> str: ...

    def without(self, text: str, keys: tuple[str, ...]) -> str: ...

    def written(self, value: dict[str, Any]) -> str: ...


class _Known(NamedTuple):
    product: str
    servers_key: str = "mcpServers"
    in_project: str | None = None
    notation: Notation = json_text
    says_type: bool = False


class Client(StrEnum):
    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    VSCODE = "vscode"
    CURSOR = "cursor"
    WINDSURF = "windsurf"
    CODEX = "codex"
    ZED = "zed"

    @property
    def product(self) -> str:
        """What people call it."""
        return _KNOWN[self].product

    @property
    def servers_key(self) -> str:
        return _KNOWN[self].servers_key

    @property
    def says_type(self) -> bool:
        """Whether an entry names its transport."""
        return _KNOWN[self].says_type

    @property
    def notation(self) -> Notation:
        return _KNOWN[self].notation

    @property
    def knows_projects(self) -> bool:
        return _KNOWN[self].in_project is not None

    def file_of_user(self) -> Path:
        """The file that counts in all projects.

        Raises:
            InvalidInput: the user has no home folder.
        """
        match self:
            case Client.CLAUDE_DESKTOP:
                return _application("Claude") / "claude_desktop_config.json"
            case Client.CLAUDE_CODE:
                return _home() / ".claude.json"
            case Client.VSCODE:
                return _application("Code") / "User/mcp.json"
            case Client.CURSOR:
                return _home() / ".cursor/mcp.json"
            case Client.WINDSURF:
                return _home() / ".codeium/windsurf/mcp_config.json"
            case Client.CODEX:
                return _codex() / "config.toml"
            case Client.ZED:
                return _zed() / "settings.json"

    def file_of_project(self, project: Path) -> Path:
        """The file that counts in one project.

        Raises:
            InvalidInput: this client knows no projects.
        """
        name = _KNOWN[self].in_project
        if name is None:
            raise InvalidInput(f"{self.product} has no projects.", remedy="Leave --project out.")
        return project.absolute() / name


_KNOWN = {
    Client.CLAUDE_DESKTOP: _Known("Claude Desktop"),
    Client.CLAUDE_CODE: _Known("Claude Code", in_project=".mcp.json", says_type=True),
    Client.VSCODE: _Known("VS Code", "servers", ".vscode/mcp.json", commented_json, says_type=True),
    Client.CURSOR: _Known("Cursor", in_project=".cursor/mcp.json"),
    Client.WINDSURF: _Known("Windsurf"),
    Client.CODEX: _Known("Codex", "mcp_servers", ".codex/config.toml", toml_text),
    Client.ZED: _Known("Zed", "context_servers", ".zed/settings.json", commented_json),
}


class Entry(Frozen):
    """An entry for this server that was found in a client's configuration."""

    file: Path
    name: str
    command: str

    @property
    def can_start(self) -> bool:
        return shutil.which(self.command) is not None


def entries(client: Client, project: Path) -> Iterator[Entry]:
    """The entries for this server that the client would see in a project.

    Raises:
        InvalidInput: the user has no home folder.
        ValueError: a configuration is not plain JSON, or not TOML.
        OSError: a configuration cannot be read.
    """
    files = [client.file_of_user()]
    if client.knows_projects:
        files.append(client.file_of_project(project))
    for file in dict.fromkeys(files):
        if file.is_file():
            text = file.read_text("utf-8-sig") or client.notation.EMPTY
            servers = client.notation.parse(text).get(client.servers_key)
            for name, entry in servers.items() if isinstance(servers, dict) else ():
                if isinstance(entry, dict) and is_ours(name, entry):
                    yield Entry(file=file, name=name, command=str(entry["command"]))


def is_ours(name: str, entry: dict[str, Any]) -> bool:
    """Whether an entry starts this server."""
    command, arguments = entry.get("command"), entry.get("args")
    if not isinstance(command, str):
        return False
    runs_module = isinstance(arguments, list) and "mcp_rag" in arguments
    return name == NAME or runs_module or Path(command).stem == NAME


def _application(name: str) -> Path:
    _home()
    return platformdirs.user_config_path(name, appauthor=False, roaming=True)


def _codex() -> Path:
    told = os.environ.get("CODEX_HOME")
    return Path(told).absolute() if told else _home() / ".codex"


def _zed() -> Path:
    if sys.platform == "darwin":
        return _home() / ".config/zed"
    return _application("Zed" if sys.platform == "win32" else "zed")


def _home() -> Path:
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():
        raise InvalidInput("There is no home folder to look in.", remedy="Set HOME, or name a --project.")
    return home
