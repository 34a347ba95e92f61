"""Text to vectors. Nothing heavy is imported before a model is loaded, and then off the event loop."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_rag.errors import InvalidSettings, ModelNotFound

if TYPE_CHECKING:
    from mcp_rag.embedding.local import Encoder
    from mcp_rag.ports import Embedder


def create(
    provider: str,
    model: str,
    *,
    model_path: Path | None = None,
    allow_download: bool = False,
    threads: int = 0,
    url: str | None = None,
    api_key: str | None = None,
    batch: int = 64,
) -> "Embedder":
    """An embedder that is still to be loaded. `threads` 0 means as many as cores, up to 4.

    `batch`: texts that a service at `url` is sent at once, at most.

    Raises:
        InvalidSettings: no provider has this name, or `openai` was given no URL.
    """
    if provider == "openai":
        return _openai(model, url, api_key, batch)
    if provider not in ("onnx", "sentence-transformers"):
        raise InvalidSettings(
            f"MCP_RAG_EMBEDDING_PROVIDER: there is no embedding provider named {provider!r}.",
            remedy="Use onnx, sentence-transformers or openai.",
        )
    from mcp_rag.embedding.local import LocalEmbedder

    opener = _open_onnx if provider == "onnx" else _open_torch
    return LocalEmbedder(functools.partial(opener, model, model_path, allow_download, threads))


def _openai(model: str, url: str | None, api_key: str | None, batch: int) -> "Embedder":
    if not url:
        raise InvalidSettings("MCP_RAG_EMBEDDING_URL: the openai provider needs the URL of its service.")
    from mcp_rag.embedding.openai import OpenAIEmbedder

    return OpenAIEmbedder(url, model, api_key=api_key, batch=batch)


def _open_onnx(model: str, path: Path | None, allow_download: bool, threads: int) -> "Encoder":
    from mcp_rag.embedding import locate, onnx

    files = locate.find(model, "onnx", path=path, allow_download=allow_download)
    return onnx.OnnxEncoder(model, files, threads=threads)


def _open_torch(model: str, path: Path | None, allow_download: bool, threads: int) -> "Encoder":
    from mcp_rag.embedding import locate

    try:
        from mcp_rag.embedding import sentence_transformers
    except ImportError as error:
        raise ModelNotFound(
            f"The sentence-transformers provider is not installed ({error}).",
            remedy='Install it with `pip install "mcp-rag-memory[sentence-transformers]"`.',
        ) from error
    files = locate.find(model, "torch", path=path, allow_download=allow_download)
    return sentence_transformers.TorchEncoder(model, files, threads=threads)
