"""The tables of the documents, made from the code. `python -m tests.docs_tables` writes them into them."""

import re
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr

from mcp_rag import telemetry
from mcp_rag.settings import Settings
from mcp_rag.tools import TOOLS

README = Path(__file__).parent.parent / "README.md"
SERVICE = README.parent / "docs" / "service.md"


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


def metrics() -> str:
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for instrument in vars(telemetry).values():
        if isinstance(instrument, MetricWrapperBase):
            (family,) = instrument.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in instrument._labelnames)
            rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    # The series of one instrument that are always told have names of their own, and are it again.
    return "\n".join(dict.fromkeys(rows))


TABLES = {README: (tools, settings), SERVICE: (metrics,)}


def filled(document: Path) -> str:
    """The text of a document with each table between its marks."""
    text = document.read_text(encoding="utf-8")
    for table in TABLES[document]:
        name = table.__name__
        mark = re.compile(f"<!-- {name} -->\n.*<!-- /{name} -->", re.DOTALL)
        told = f"<!-- {name} -->\n{table()}\n<!-- /{name} -->"
        text, found = mark.subn(lambda _, told=told: told, text)
        assert found == 1, f"{document.name} has no place for {name}"
    return text


if __name__ == "__main__":
    for document in TABLES:
        document.write_text(filled(document), encoding="utf-8")
