"""The seams where a second implementation exists."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mcp_rag.models import Draft, EmbeddingModel, Evidence

Vectors = NDArray[np.float32]
"""One row per text, each of unit length."""


class Embedder(Protocol):
    """Turns text into vectors, off the event loop."""

    @property
    def model(self) -> EmbeddingModel:
        """The model that makes the vectors. Known once `load` has returned."""

    async def load(self) -> None:
        """Make the model ready. Safe to call again and from several tasks.

        Raises:
            ModelNotFound: no copy of the model can be had.
            ModelCorrupt: a file differs from the one this version was tested with.
            EmbeddingFailed: the service that has the model cannot be reached now.
        """

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimensions), in the order of the texts.

        Raises:
            EmbeddingFailed: the model refused the texts.
        """

    async def embed_query(self, text: str) -> Vectors:
        """The vector of a question, of shape (dimensions,). Never waits behind passages.

        Raises:
            EmbeddingFailed: the model refused the text.
        """

    async def close(self) -> None:
        """Give the model's memory and threads back."""


class Answerer(Protocol):
    """Writes an answer from evidence, and from nothing else."""

    async def answer(self, question: str, evidence: Sequence[Evidence]) -> Draft | None:
        """An answer whose quotes are still to be verified, or None when the evidence does not answer."""
