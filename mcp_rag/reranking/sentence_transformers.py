"""Cross-encoders that sentence-transformers runs, on PyTorch. Importing this takes seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from safetensors import SafetensorError  # type: ignore[import-not-found,unused-ignore]
from sentence_transformers import CrossEncoder

from mcp_rag.errors import ModelCorrupt, RerankingFailed
from mcp_rag.local_models.bounds import legible, threads_for
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.reranking.local import MAX_PAIR_TOKENS


@dataclass(frozen=True, slots=True)
class Pair:
    """As long as its characters: the model has its own tokenizer and uses it when it is run."""

    question: str
    text: str

    def __len__(self) -> int:
        return len(self.question) + len(self.text)


class TorchCrossEncoder:
    """A `CrossEncoder` on the best device that PyTorch finds."""

    def __init__(self, files: ModelFiles, *, threads: int) -> None:
        torch.set_num_threads(threads_for(threads))
        self._model = _open(files)
        try:
            self.scores(self.pairs("Does it work?", ["It works."]))
        except RerankingFailed as error:
            raise ModelCorrupt(
                f"{files.folder} does not work as a reranking model: {error.cause}",
                remedy="Take a whole copy of the model.",
            ) from error

    def pairs(self, question: str, texts: Sequence[str]) -> list[Pair]:
        asked = legible(question, MAX_PAIR_TOKENS)
        return [Pair(asked, legible(text, MAX_PAIR_TOKENS)) for text in texts]

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        try:
            logits = self._model.predict(
                [(pair.question, pair.text) for pair in pairs],
                activation_fn=torch.nn.Identity(),
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        except RuntimeError as error:
            raise RerankingFailed(f"PyTorch refused the text: {error}") from error
        if logits.size != len(pairs) or not np.isfinite(logits).all():
            raise RerankingFailed(f"The model gave no score for each text, but {logits.shape}.")
        return [float(logit) for logit in logits.reshape(-1)]


def _open(files: ModelFiles) -> CrossEncoder:
    """Only what lies in the folder is read: no hub, no pickle, and no code of the model's own."""
    try:
        return CrossEncoder(
            str(files.folder),
            max_length=MAX_PAIR_TOKENS,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelCorrupt(
            f"The model in {files.folder} cannot be read: {error}", remedy="Take a whole copy of the model."
        ) from error
