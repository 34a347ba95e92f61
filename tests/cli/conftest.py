from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.fixture
def mcp_rag(tmp_path: Path, database_url: str) -> Command:
    """The command line on an empty store."""
    return Command(_home(tmp_path), MCP_RAG_DATABASE_URL=database_url)


@pytest.fixture
def reading(tmp_path: Path, library_url: str) -> Command:
    """The command line on the library, which is not to be changed."""
    return Command(_home(tmp_path), MCP_RAG_DATABASE_URL=library_url)


@pytest.fixture
def anywhere(tmp_path: Path) -> Command:
    """The command line for what needs no store."""
    return Command(_home(tmp_path))


def _home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home
