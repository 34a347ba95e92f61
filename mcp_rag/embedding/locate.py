"""Finds an embedding model's files."""

from pathlib import Path

from mcp_rag.embedding import catalogue
from mcp_rag.local_models import locate
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.local_models.origin import Runtime


def find(model: str, runtime: Runtime, *, path: Path | None, allow_download: bool) -> ModelFiles:
    """Find an embedding model's files, and verify those whose checksums are known.

    Raises:
        ModelNotFound, ModelCorrupt: as `local_models.locate.find` does.
    """
    wanted = locate.Wanted(model, runtime, catalogue.MODELS, setting="MCP_RAG_MODEL_PATH")
    return locate.find(wanted, path=path, allow_download=allow_download)
