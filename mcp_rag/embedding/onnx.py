"""Models that ONNX Runtime runs, without PyTorch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcp_rag.embedding import recipe
from mcp_rag.embedding.local import Rows
from mcp_rag.embedding.recipe import Recipe
from mcp_rag.embedding.unit import unit
from mcp_rag.errors import EmbeddingFailed, ModelCorrupt, ModelNotFound
from mcp_rag.local_models import checksum
from mcp_rag.local_models.bounds import legible, threads_for
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.local_models.onnx import ERRORS, WHOLE_COPY, Integers, Session, Tokens, open_tokenizer, padded
from mcp_rag.models import EmbeddingModel
from mcp_rag.ports import Vectors

MAX_BATCH_TEXTS = 16
# Measured on two cores: as fast as four times as many, at a third of the peak memory.
MAX_BATCH_TOKENS = 1024
_WINDOW = 512


class OnnxEncoder:
    """An `Encoder` on the CPU. Both of its threads share one session, which is safe to run at once."""

    def __init__(self, name: str, files: ModelFiles, *, threads: int) -> None:
        self._recipe = _usable(recipe.read(name, files.folder), files.folder)
        self._tokenizer = open_tokenizer(files.folder / "tokenizer.json")
        self._tokenizer.enable_truncation(self._recipe.max_tokens)
        self._session = Session(files.weights[0], threads_for(threads))
        self.model = EmbeddingModel(
            name=self._recipe.name,
            dimensions=self._dimensions(files.weights[0]),
            fingerprint=checksum.fingerprint(files.weights),
        )

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[Rows, Vectors]]:
        for start in range(0, len(texts), _WINDOW):
            window = [self._recipe.passage_prefix + text for text in texts[start : start + _WINDOW]]
            tokens = self._tokenise(window)
            for rows in batches([len(ids) for ids in tokens]):
                yield start + rows, self._vectors([tokens[row] for row in rows], frugal=True)

    def query(self, text: str) -> Vectors:
        vectors: Vectors = self._vectors(self._tokenise([self._recipe.query_prefix + text]))[0]
        return vectors

    def _dimensions(self, weights: Path) -> int:
        try:
            return int(self.query("How many dimensions?").shape[0])
        except EmbeddingFailed as error:
            raise ModelCorrupt(
                f"{weights} does not work as an embedding model: {error.cause}", remedy=WHOLE_COPY
            ) from error

    def _tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        limit = self._recipe.max_tokens
        encodings = self._tokenizer.encode_batch_fast([legible(text, limit) for text in texts])
        return [encoding.ids for encoding in encodings]

    def _vectors(self, tokens: Sequence[Tokens], *, frugal: bool = False) -> Vectors:
        ids, mask = padded(tokens), padded([[1] * len(line) for line in tokens])
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            output = self._session.run(feeds, frugal=frugal)
        except ERRORS as error:
            raise EmbeddingFailed(f"ONNX Runtime refused the text: {error}") from error
        return unit(_pooled(output, mask, self._recipe.pooling))


def batches(lengths: Sequence[int]) -> Iterator[Rows]:
    """Which texts run together: those of like length, so that little is padded; bounded, so is memory."""
    batch: list[int] = []
    for row in np.argsort(lengths, kind="stable")[::-1]:
        longest = lengths[batch[0]] if batch else lengths[row]
        if batch and (len(batch) == MAX_BATCH_TEXTS or (len(batch) + 1) * longest > MAX_BATCH_TOKENS):
            yield np.array(batch, np.intp)
            batch = []
        batch.append(int(row))
    if batch:
        yield np.array(batch, np.intp)


def _pooled(output: NDArray[np.float32], mask: Integers, pooling: str) -> NDArray[np.float32]:
    if output.ndim == 2:
        return output
    if pooling == "cls":
        return output[:, 0]
    weights = mask[:, :, None].astype(np.float32)
    mean: NDArray[np.float32] = (output * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


def _usable(model: Recipe, folder: Path) -> Recipe:
    foreign = set(model.steps) - {"Transformer", "Pooling", "Normalize"}
    if foreign or model.pooling not in ("cls", "mean"):
        steps = ", ".join(sorted(foreign) or [f"{model.pooling} pooling"])
        raise ModelNotFound(
            f"The model in {folder} needs {steps}, which the onnx provider does not do.",
            remedy="Set MCP_RAG_EMBEDDING_PROVIDER=sentence-transformers, or use another model.",
        )
    return model
