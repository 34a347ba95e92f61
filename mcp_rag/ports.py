"""The seams where a second implementation exists."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mcp_rag.identity import Caller
from mcp_rag.models import Claim, EmbeddingModel, Evidence, Spent, Turn, Wanted

Vectors = NDArray[np.float32]
"""One row per text, each of unit length."""


class Embedder(Protocol):
    """Turns text into vectors, off the event loop."""

    @property
    def model(self) -> EmbeddingModel:
        """The model that makes the vectors. Known once `load` has returned."""

    @property
    def batch(self) -> int:
        """Passages that are best embedded, and committed, together."""

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
            EmbeddingUnavailable: the service cannot be used now, whatever the texts.
            EmbeddingFailed: the model refused the texts.
        """

    async def embed_query(self, text: str) -> Vectors:
        """The vector of a question, of shape (dimensions,). Never waits behind passages.

        Raises:
            EmbeddingFailed: the model refused the text.
        """

    async def close(self) -> None:
        """Give the model's memory and threads back."""


class Reranker(Protocol):
    """Reads a question and a text together, and says how well the text answers it. Off the event loop."""

    @property
    def name(self) -> str: ...

    async def load(self) -> None:
        """Make the model ready. Safe to call again and from several tasks.

        Raises:
            ModelNotFound: no copy of the model can be had.
            ModelCorrupt: a file differs from the one this version was tested with.
        """

    async def scores(self, question: str, texts: Sequence[str], *, budget: float) -> list[float | None]:
        """One score per text, a logit: higher is better, in no fixed range.

        The texts come with the most promising first. It returns within `budget` seconds, and None stands for
        each text that could not be read in that time; for all of them while the model is being loaded.

        Raises:
            ModelNotFound, ModelCorrupt: as `load` does, which this calls.
            RerankingFailed: the model refused the texts.
        """

    async def close(self) -> None:
        """Give the model's memory and thread back."""


@dataclass(frozen=True)
class Brief:
    """What an answer is to be written from, and from nothing else."""

    question: str
    evidence: Sequence[Evidence]
    now: datetime
    history: Sequence[Turn] = ()
    times: Sequence[str] = ()
    """The times that the question speaks of, each with the days that it means."""
    may_search: bool = False
    """Whether `Wanted` may be given in place of an answer."""


class Answerer(Protocol):
    """Writes an answer from evidence."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str | None:
        """The model's name, or None where no model writes."""

    def write(self, brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        """Claims as they are written, or one `Wanted`; neither where the evidence does not answer.

        What was spent is said as soon as it is known. Closing the generator stops the model.

        Raises:
            AnsweringFailed: the model cannot be reached, refuses, or speaks in no form that can be read.
        """

    async def close(self) -> None:
        """Give connections back."""


class Cache(Protocol):
    """Keeps texts for a while. A cache that is down has nothing, and is no error."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, text: str) -> None: ...

    async def drop(self, beginning: str) -> None:
        """Remove what is kept under keys that begin like this."""

    async def answers(self) -> bool:
        """Whether it can be reached now."""

    async def close(self) -> None: ...


class Rates(Protocol):
    """Counts what is asked for in a while, and says when it is too much."""

    async def call(self, caller: Caller) -> None:
        """Count a call.

        Raises:
            TooMuch: the caller, or their tenant, has made too many.
        """

    async def store(self, caller: Caller, size: int) -> None:
        """Count bytes that are to be stored.

        Raises:
            TooMuch: the tenant has sent too many.
        """

    async def close(self) -> None:
        """Give connections back."""
