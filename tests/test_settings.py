"""How the environment is read."""

import os

import pytest

from mcp_rag.settings import Settings


def test_a_variable_that_is_set_to_nothing_is_as_if_it_were_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("MCP_RAG_")]:
        monkeypatch.delenv(name)
    alone = Settings.read()
    for field in Settings.model_fields:
        monkeypatch.setenv(f"MCP_RAG_{field.upper()}", "")
    assert Settings.read() == alone
