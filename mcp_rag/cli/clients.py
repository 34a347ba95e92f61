"""MCP clients: where each keeps its configuration, and what it says about this server."""

import os
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import platformdirs

from mcp_rag.cli import json_text
from mcp_rag.errors import InvalidInput
from mcp_rag.models import Frozen

NAME = "mcp-rag"


class Client(StrEnum):
    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    VSCODE = "vscode"
    CURSOR = "cursor"

    @property
    def product(self) -> str:
        """What people call it."""
        return "VS Code" if self is Client.VSCODE else self.value.replace("-", " ").title()

    @property
    def servers_key(self) -> str:
        return "servers" if self is Client.VSCODE else "mcpServers"

    @property
    def says_type(self) -> bool:
        """Whether an entry names its transport."""
        return self in (Client.VSCODE, Client.CLAUDE_CODE)

    def file_of_user(self) -> Path:
        """The file that counts in all projects.

        Raises:
            InvalidInput: the user has no home folder.
        """
        if self is Client.CLAUDE_DESKTOP:
            return _application("Claude") / "claude_desktop_config.json"
        if self is Client.VSCODE:
            return _application("Code") / "User" / "mcp.json"
        return _home() / (".claude.json" if self is Client.CLAUDE_CODE else ".cursor/mcp.json")

    def file_of_project(self, project: Path) -> Path:
        """The file that counts in one project.

        Raises:
            InvalidInput: this client knows no projects.
        """
        if self is Client.CLAUDE_DESKTOP:
            raise InvalidInput("Claude Desktop has no projects.", remedy="Leave --project out.")
        names = {
            Client.CLAUDE_CODE: ".mcp.json",
            Client.VSCODE: ".vscode/mcp.json",
            Client.CURSOR: ".cursor/mcp.json",
        }
        return project.absolute() / names[self]


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
        ValueError: a configuration is not plain JSON.
        OSError: a configuration cannot be read.
    """
    files = [client.file_of_user()]
    if client is not Client.CLAUDE_DESKTOP:
        files.append(client.file_of_project(project))
    for file in dict.fromkeys(files):
        if file.is_file():
            servers = json_text.parse(file.read_text("utf-8-sig") or "{}").get(client.servers_key)
            for name, entry in servers.items() if isinstance(servers, dict) else ():
                if isinstance(entry, dict) and _is_ours(name, entry):
                    yield Entry(file=file, name=name, command=str(entry["command"]))


def _is_ours(name: str, entry: dict[str, Any]) -> bool:
    command, arguments = entry.get("command"), entry.get("args")
    if not isinstance(command, str):
        return False
    runs_module = isinstance(arguments, list) and "mcp_rag" in arguments
    return name == NAME or runs_module or Path(command).stem == NAME


def _application(name: str) -> Path:
    _home()
    return platformdirs.user_config_path(name, appauthor=False, roaming=True)


def _home() -> Path:
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():
        raise InvalidInput("There is no home folder to look in.", remedy="Set HOME, or name a --project.")
    return home
