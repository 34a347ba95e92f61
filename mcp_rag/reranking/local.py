"""A reranker whose model runs in this process, on one thread of its own, and never longer than it may."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

from mcp_rag.errors import ModelNotFound, RerankingFailed

T = TypeVar("T")
Pair = TypeVar("Pair", bound=Sized)
"""A question and a text as the model reads them; its length is what it costs."""

# A passage is shorter as a rule, and time grows with the length: what lies beyond is not read.
MAX_PAIR_TOKENS = 192
BATCH = 5
# Tokens of a batch, padding included: about a quarter of the usual budget here. A batch of five long passages
# takes longer than all of it, and would never be begun.
BATCH_TOKENS = 256
# Texts of like length run together, so that little is padded; sorting more of them than this would put the
# best text behind many others. Measured on twenty messages of a chat: a fifth is padding, a third unsorted.
WINDOW = 10


class CrossEncoder(Protocol[Pair]):
    """A model in memory, which reads a question and a text together. One thread asks it."""

    def pairs(self, question: str, texts: Sequence[str]) -> Sequence[Pair]: ...

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """One finite number per pair, higher is better."""


class LocalReranker:
    """The port `Reranker` over a cross-encoder, which `open_encoder` brings into memory."""

    def __init__(self, name: str, open_encoder: Callable[[], CrossEncoder[Any]]) -> None:
        self._name = name
        self._open_encoder = open_encoder
        self._encoder: CrossEncoder[Any] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rerank")
        self._closed = False
        # Seconds for each token of a batch, padding included, as loaded as the machine is of late.
        self._pace = 0.0

    @property
    def name(self) -> str:
        return self._name

    async def load(self) -> None:
        await self._in(self._load)

    async def scores(self, question: str, texts: Sequence[str], *, budget: float) -> list[float | None]:
        scores: list[float | None] = [None] * len(texts)
        deadline = time.monotonic() + budget
        try:
            # What waits in the thread's queue at the deadline is withdrawn; a batch that runs is left behind.
            async with asyncio.timeout(max(budget, 0)):
                await self._fill(scores, question, texts, deadline)
        except TimeoutError:
            pass
        return scores

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._encoder = None

    async def _fill(
        self, scores: list[float | None], question: str, texts: Sequence[str], deadline: float
    ) -> None:
        encoder = await self._in(self._load)
        for start in range(0, len(texts), WINDOW):
            window = texts[start : start + WINDOW]
            pairs = await self._in(partial(encoder.pairs, question, window))
            for rows in batches([len(pair) for pair in pairs]):
                batch = [pairs[row] for row in rows]
                values = await self._in(partial(self._score, encoder, batch, deadline))
                if values is None:
                    self._hope(scores)
                    return
                for row, value in zip(rows, values, strict=True):
                    scores[start + row] = value

    def _hope(self, scores: Sequence[float | None]) -> None:
        # A machine that was busy once is not held to be so for ever.
        if all(score is None for score in scores):
            self._pace /= 2

    def _score(
        self, encoder: CrossEncoder[Pair], pairs: Sequence[Pair], deadline: float
    ) -> list[float] | None:
        """The scores of a batch, or None where they would come too late."""
        tokens = len(pairs) * max(map(len, pairs))
        begun = time.monotonic()
        if begun + self._pace * tokens > deadline:
            return None
        values = encoder.scores(pairs)
        pace = (time.monotonic() - begun) / tokens
        self._pace = (self._pace + pace) / 2 if self._pace else pace
        return values

    def _load(self) -> CrossEncoder[Any]:
        # Runs in the one thread, so that the model is opened once, however many ask for it.
        if self._encoder is None:
            try:
                self._encoder = self._open_encoder()
            except OSError as error:
                raise ModelNotFound(f"The reranking model's files cannot be read: {error}.") from error
        return self._encoder

    async def _in(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise RerankingFailed("The reranking model was closed.", remedy="Start the server again.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Which pairs of a window run together: those of like length, the batch with the best pair first."""
    made: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if made and len(made[-1]) < BATCH and (len(made[-1]) + 1) * lengths[row] <= BATCH_TOKENS:
            made[-1].append(row)
        else:
            made.append([row])
    yield from sorted(made, key=min)
