"""What the reranking tests share: the folder of the default model's files."""

import pytest

from mcp_rag.local_models import locate
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.reranking import catalogue

DEFAULT = "ms-marco-MiniLM-L-12-v2"


@pytest.fixture(scope="session")
def files() -> ModelFiles:
    """The default model's files, in the package that carries them."""
    wanted = locate.Wanted(DEFAULT, "onnx", catalogue.MODELS, setting="MCP_RAG_RERANKING_MODEL")
    return locate.find(wanted, path=None, allow_download=False)
