"""The tables of the README, made from the code. `python -m tests.docs_tables` writes them into it."""

import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mcp_rag.settings import Settings
from mcp_rag.tools import TOOLS

README = Path(__file__).parent.parent / "README.md"


def tools() -> str:
    rows = ["| Tool | What it is for |", "|---|---|"]
    rows += [f"| `{tool.name}` | {tool.description.split('. ')[0].rstrip('.')}. |" for tool in TOOLS]
    return "\n".join(rows)


def settings() -> str:
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `MCP_RAG_{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        default = ",".join(default)
    return "" if default in (None, "") or isinstance(default, SecretStr) else f"`{default}`"


def filled(text: str) -> str:
    """The text with each table between its marks."""
    for name, table in (("tools", tools()), ("settings", settings())):
        mark = re.compile(f"<!-- {name} -->\n.*<!-- /{name} -->", re.DOTALL)
        text = mark.sub(lambda _, n=name, t=table: f"<!-- {n} -->\n{t}\n<!-- /{n} -->", text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
