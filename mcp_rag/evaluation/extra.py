"""What only `mcp-rag eval` needs, and what is said where it is not installed."""

from importlib import import_module
from typing import Any

from mcp_rag.errors import RagError


class EvaluationNotInstalled(RagError):
    """What `mcp-rag eval` scores with is not installed."""

    remedy = "Run `pip install 'mcp-rag-memory[eval]'`."


def required(module: str) -> Any:
    """A module of the extra `eval`.

    Raises:
        EvaluationNotInstalled: it is not there.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise EvaluationNotInstalled(f"{error.name} is not installed, and `mcp-rag eval` needs it.") from None
