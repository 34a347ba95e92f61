"""Models that sentence-transformers runs, on PyTorch. Importing this takes seconds."""

import copy
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from safetensors import SafetensorError  # type: ignore[import-not-found,unused-ignore]
from sentence_transformers import SentenceTransformer

from mcp_rag.embedding import recipe
from mcp_rag.embedding.local import Rows
from mcp_rag.embedding.unit import unit
from mcp_rag.errors import EmbeddingFailed, ModelCorrupt
from mcp_rag.local_models import checksum
from mcp_rag.local_models.bounds import legible, threads_for
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.models import EmbeddingModel
from mcp_rag.ports import Vectors

_BATCH = 16


class TorchEncoder:
    """An `Encoder` on the best device that PyTorch finds."""

    def __init__(self, name: str, files: ModelFiles, *, threads: int) -> None:
        torch.set_num_threads(threads_for(threads))
        self._recipe = recipe.read(name, files.folder)
        self._for_passages = _open(files)
        self._for_queries = _twin(self._for_passages)
        self.model = EmbeddingModel(
            name=self._recipe.name,
            dimensions=int(self.query("How many dimensions?").shape[0]),
            fingerprint=checksum.fingerprint(files.weights),
        )

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[Rows, Vectors]]:
        order = np.argsort([len(text) for text in texts], kind="stable")[::-1]
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            batch = [texts[row] for row in rows]
            yield rows, self._vectors(self._for_passages, self._recipe.passage_prefix, batch)

    def query(self, text: str) -> Vectors:
        vectors: Vectors = self._vectors(self._for_queries, self._recipe.query_prefix, [text])[0]
        return vectors

    def _vectors(self, model: SentenceTransformer, prefix: str, texts: Sequence[str]) -> Vectors:
        limit = self._recipe.max_tokens
        try:
            vectors = model.encode(
                [legible(text, limit) for text in texts],
                prompt=prefix,
                batch_size=_BATCH,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        except RuntimeError as error:
            raise EmbeddingFailed(f"PyTorch refused the text: {error}") from error
        return unit(vectors)


def _open(files: ModelFiles) -> SentenceTransformer:
    """Only what lies in the folder is read: no hub, no pickle, and no code of the model's own."""
    try:
        return SentenceTransformer(
            str(files.folder),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelCorrupt(
            f"The model in {files.folder} cannot be read: {error}", remedy="Take a whole copy of the model."
        ) from error


def _twin(model: SentenceTransformer) -> SentenceTransformer:
    """A second model over the same weights: a tokenizer must not be used from two threads at once."""
    weights = {id(part): part for part in itertools.chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, weights)
