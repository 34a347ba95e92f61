"""JSON with comments and trailing commas, as editors have it; both stay as they are."""

from typing import Any

from mcp_rag.cli import json_text
from mcp_rag.cli.json_text import EMPTY, put, without, written

__all__ = ["EMPTY", "NAME", "parse", "put", "without", "written"]

NAME = "JSON with comments"


def parse(text: str) -> dict[str, Any]:
    """The object that the text holds.

    Raises:
        ValueError: it is no JSON, also without its comments; it is no object, or says a key twice.
    """
    return json_text.parse(json_text.plain(text))
