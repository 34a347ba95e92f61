"""Models that ONNX Runtime runs, without PyTorch."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

# It reports its use to its makers unless it is told not to before it is imported: nothing leaves unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state
from tokenizers import Tokenizer

from mcp_rag.embedding import checksum, recipe
from mcp_rag.embedding.local import Rows, legible, threads_for
from mcp_rag.embedding.locate import ModelFiles
from mcp_rag.embedding.recipe import Recipe
from mcp_rag.embedding.unit import unit
from mcp_rag.errors import EmbeddingFailed, ModelCorrupt, ModelNotFound
from mcp_rag.models import EmbeddingModel
from mcp_rag.ports import Vectors

Tokens = Sequence[int]

MAX_BATCH_TEXTS = 16
# Measured on two cores: as fast as four times as many, at a third of the peak memory.
MAX_BATCH_TOKENS = 1024
_WINDOW = 512
_REMEDY = "Take a whole copy of the model, made for ONNX Runtime."

# ONNX Runtime's errors have no common base.
_ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
)


class OnnxEncoder:
    """An `Encoder` on the CPU. Both of its threads share one session, which is safe to run at once."""

    def __init__(self, name: str, files: ModelFiles, *, threads: int) -> None:
        self._recipe = _usable(recipe.read(name, files.folder), files.folder)
        self._tokenizer = _open_tokenizer(files.folder / "tokenizer.json", self._recipe.max_tokens)
        self._session = _open_session(files.weights[0], threads_for(threads))
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._frugal = onnxruntime.RunOptions()
        # Hands what a batch took back to the system: a store at rest should not hold a batch's memory.
        self._frugal.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
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
                yield start + rows, self._vectors([tokens[row] for row in rows], self._frugal)

    def query(self, text: str) -> Vectors:
        vectors: Vectors = self._vectors(self._tokenise([self._recipe.query_prefix + text]), None)[0]
        return vectors

    def _dimensions(self, weights: Path) -> int:
        try:
            return int(self.query("How many dimensions?").shape[0])
        except EmbeddingFailed as error:
            raise ModelCorrupt(
                f"{weights} does not work as an embedding model: {error.cause}", remedy=_REMEDY
            ) from error

    def _tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        limit = self._recipe.max_tokens
        encodings = self._tokenizer.encode_batch_fast([legible(text, limit) for text in texts])
        return [encoding.ids for encoding in encodings]

    def _vectors(self, tokens: Sequence[Tokens], options: onnxruntime.RunOptions | None) -> Vectors:
        ids, mask = _padded(tokens)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            output = self._session.run(
                None, {name: value for name, value in feeds.items() if name in self._inputs}, options
            )[0]
        except _ERRORS as error:
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


def _padded(tokens: Sequence[Tokens]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and their mask. What pads does not matter, as the mask hides it."""
    ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
    mask = np.zeros_like(ids)
    for row, line in enumerate(tokens):
        ids[row, : len(line)] = line
        mask[row, : len(line)] = 1
    return ids, mask


def _pooled(output: NDArray[np.float32], mask: NDArray[np.int64], pooling: str) -> NDArray[np.float32]:
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


def _open_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # `tokenizers` raises nothing narrower
        raise ModelCorrupt(f"The model file {path} cannot be read: {error}.", remedy=_REMEDY) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _open_session(weights: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin would take the cores from Postgres, which shares them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Every batch has another shape, and a plan would be kept for each.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    except _ERRORS as error:
        raise ModelCorrupt(f"The model file {weights} cannot be read: {error}.", remedy=_REMEDY) from error
