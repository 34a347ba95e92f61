"""What the documents say is run, or stands below with the reason why not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_rag.cli.clients import Client
from tests import docs_tables

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/benchmarks.md",
    "docs/service.md",
    "docs/tools.md",
    "docs/workers.md",
)
ASK = """localhost:8080/ask --json '{"question": "When do we open?"}'"""
NOT_RUN = {
    "make demo": ".ci/run runs it from a clean checkout",
    "make test": "it runs this",
    "make check": ".ci/run runs it",
    "make eval": "the sets are not shipped; tests/cli/test_evaluate.py runs the command on small ones",
    "mcp-rag eval FOLDER --by-category --answers --out run.trec": "likewise",
    "mcp-rag eval FOLDER --compare run.trec": "likewise",
    "make eval-tools": "it needs a model; tests/bench/test_picks.py runs what it runs",
    "python -m bench.picks --limit 20 --at-least 0.8 --json": "likewise",
    "make fix": "it changes the checkout",
    "export MCP_RAG_ANTHROPIC_API_KEY=sk-ant-...": "it needs a key; tests/answering speaks the protocol",
    "export MCP_RAG_OPENAI_URL=http://localhost:11434/v1 MCP_RAG_OPENAI_MODEL=qwen3:8b": "it needs Ollama",
    "pip install .": "test_architecture.py builds and installs the wheel",
}


def commands(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]


def is_run(command: str) -> bool:
    """Whether it is run here. Calls over HTTP are run against a server by tests/http/test_rest.py."""
    return command not in NOT_RUN and not command.startswith("curl ")


@pytest.mark.parametrize("document", docs_tables.TABLES, ids=lambda document: document.name)
def test_the_tables_of_a_document_say_what_the_code_says(document: Path) -> None:
    assert docs_tables.filled(document) == document.read_text(encoding="utf-8"), (
        "run `python -m tests.docs_tables`"
    )


def test_every_reason_for_not_running_a_command_is_needed() -> None:
    assert {command for document in DOCUMENTS for command in commands(document)} >= NOT_RUN.keys()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_document_succeeds(document: str, database_url: str) -> None:
    script = "\n".join(command for command in commands(document) if is_run(command))
    environment = os.environ | {
        "MCP_RAG_DATABASE_URL": database_url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("client", Client)
def test_the_readme_names_every_client_that_can_be_installed(client: Client) -> None:
    assert f"| {client.product} | `mcp-rag install {client}`" in docs_tables.README.read_text(
        encoding="utf-8"
    )
