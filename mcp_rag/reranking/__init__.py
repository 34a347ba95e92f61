"""Questions and texts to scores, read together. Nothing heavy is imported before a model is loaded."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_rag.errors import InvalidSettings, ModelNotFound

if TYPE_CHECKING:
    from mcp_rag.local_models.locate import ModelFiles
    from mcp_rag.local_models.origin import Runtime
    from mcp_rag.ports import Reranker
    from mcp_rag.reranking.local import CrossEncoder


def create(provider: str, model: str, *, allow_download: bool = False, threads: int = 0) -> "Reranker":
    """A reranker that is still to be loaded. `model` is a name, or a folder that holds the model's files.

    `threads` 0 means as many as cores, up to 4.

    Raises:
        InvalidSettings: no provider has this name.
    """
    if provider not in ("onnx", "sentence-transformers"):
        raise InvalidSettings(
            f"MCP_RAG_RERANKING_PROVIDER: there is no reranking provider named {provider!r}.",
            remedy="Use onnx, sentence-transformers or none.",
        )
    from mcp_rag.reranking.local import LocalReranker

    opener = _open_onnx if provider == "onnx" else _open_torch
    return LocalReranker(model, functools.partial(opener, model, allow_download, threads))


def _open_onnx(model: str, allow_download: bool, threads: int) -> "CrossEncoder[Any]":
    from mcp_rag.reranking import onnx

    return onnx.OnnxCrossEncoder(_find(model, "onnx", allow_download), threads=threads)


def _open_torch(model: str, allow_download: bool, threads: int) -> "CrossEncoder[Any]":
    try:
        from mcp_rag.reranking import sentence_transformers
    except ImportError as error:
        raise ModelNotFound(
            f"The sentence-transformers provider is not installed ({error}).",
            remedy='Install it with `pip install "mcp-rag-memory[sentence-transformers]"`.',
        ) from error
    return sentence_transformers.TorchCrossEncoder(_find(model, "torch", allow_download), threads=threads)


def _find(model: str, runtime: "Runtime", allow_download: bool) -> "ModelFiles":
    from mcp_rag.local_models import locate
    from mcp_rag.reranking import catalogue

    folder = Path(model).expanduser()
    wanted = locate.Wanted(model, runtime, catalogue.MODELS, setting="MCP_RAG_RERANKING_MODEL")
    return locate.find(wanted, path=folder if folder.is_dir() else None, allow_download=allow_download)
