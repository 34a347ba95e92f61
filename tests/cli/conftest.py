from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.fixture
def mcp_rag(tmp_path: Path, database_url: str) -> Command:
    """The command line on an empty store."""
    return Command(_home(tmp_path), MCP_RAG_DATABASE_URL=database_url)


@pytest.fixture
def reading(tmp_path: Path, library_url: str) -> Command:
    """The command line on the library, which nobody changes; a busy machine reads as much as an idle one."""
    return Command(_home(tmp_path), MCP_RAG_DATABASE_URL=library_url, MCP_RAG_RERANKING_BUDGET_MS="20000")


@pytest.fixture
def anywhere(tmp_path: Path) -> Command:
    """The command line for what needs no store."""
    return Command(_home(tmp_path))


def _home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home
