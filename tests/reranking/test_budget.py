"""That reranking is never late: what cannot be read in time has no score."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Encoding

from mcp_rag import reranking
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.ports import Reranker
from mcp_rag.reranking.local import BATCH, BATCH_TOKENS, WINDOW, LocalReranker, batches
from mcp_rag.reranking.onnx import OnnxCrossEncoder

LONG_ENOUGH = 60.0
QUESTION = "Who dredged the harbour?"
LONG_TEXT = "The committee met on Tuesday to decide how the harbour should be dredged. " * 30


class Gated(OnnxCrossEncoder):
    """The real model, which stops before a batch until it is let through, and counts those it has done."""

    def __init__(self, files: ModelFiles) -> None:
        self.done, self.stops_at = 0, -1
        self.stopped, self.gate = threading.Event(), threading.Event()
        super().__init__(files, threads=0)
        self.done = 0

    def scores(self, pairs: Sequence[Encoding]) -> list[float]:
        if self.done == self.stops_at:
            self.stopped.set()
            assert self.gate.wait(LONG_ENOUGH)
        self.done += 1
        return super().scores(pairs)


@pytest.fixture(scope="module")
def shared(files: ModelFiles) -> Gated:
    return Gated(files)


@pytest.fixture
async def gated(shared: Gated) -> AsyncIterator[tuple[Gated, LocalReranker]]:
    shared.done, shared.stops_at = 0, -1
    shared.stopped.clear()
    shared.gate.clear()
    reranker = LocalReranker("gated", lambda: shared)
    await reranker.load()
    yield shared, reranker
    shared.gate.set()
    await reranker.close()


async def test_without_time_nothing_is_scored(reranker: Reranker) -> None:
    assert await reranker.scores(QUESTION, ["a", "b"], budget=0) == [None, None]
    assert await reranker.scores(QUESTION, ["a", "b"], budget=-1) == [None, None]


async def test_when_time_runs_out_the_most_promising_texts_have_scores(
    gated: tuple[Gated, LocalReranker],
) -> None:
    encoder, reranker = gated
    encoder.stops_at = 2
    texts = [f"Number {n} is a short text." for n in range(25)]
    found = await reranker.scores(QUESTION, texts, budget=2)
    assert [score is not None for score in found] == [True] * 2 * BATCH + [False] * (25 - 2 * BATCH)


async def test_the_most_promising_text_is_read_first_however_long_it_is(
    gated: tuple[Gated, LocalReranker],
) -> None:
    encoder, reranker = gated
    encoder.stops_at = 1
    texts = [LONG_TEXT, *(f"Number {n} is a short text." for n in range(WINDOW - 1))]
    found = await reranker.scores(QUESTION, texts, budget=3)
    # It fills a batch: with four more it would take longer than a usual budget, and never be begun.
    assert [score is not None for score in found] == [True] + [False] * (WINDOW - 1)


async def test_a_call_does_not_wait_behind_another_for_longer_than_it_may(
    gated: tuple[Gated, LocalReranker],
) -> None:
    encoder, reranker = gated
    encoder.stops_at = 0
    slow = asyncio.create_task(reranker.scores(QUESTION, ["a text"], budget=LONG_ENOUGH))
    assert await asyncio.to_thread(encoder.stopped.wait, LONG_ENOUGH)
    assert await reranker.scores(QUESTION, ["b", "c"], budget=0.05) == [None, None]
    assert not slow.done()
    encoder.gate.set()
    assert None not in await slow
    assert encoder.done == 1


async def test_a_batch_that_would_come_too_late_is_not_begun(gated: tuple[Gated, LocalReranker]) -> None:
    encoder, reranker = gated
    texts = [LONG_TEXT[:150]] * BATCH
    assert None not in await reranker.scores(QUESTION, texts, budget=LONG_ENOUGH)
    # A fraction of what a batch of such texts takes, and enough to split them into tokens.
    assert await reranker.scores(QUESTION, texts, budget=0.015) == [None] * BATCH
    await reranker.scores(QUESTION, [], budget=LONG_ENOUGH)
    assert encoder.done == 1


async def test_a_machine_that_was_slow_once_is_tried_again(gated: tuple[Gated, LocalReranker]) -> None:
    encoder, reranker = gated
    encoder.stops_at = 0
    stuck = asyncio.create_task(reranker.scores(QUESTION, ["a text"], budget=LONG_ENOUGH))
    assert await asyncio.to_thread(encoder.stopped.wait, LONG_ENOUGH)
    # Meanwhile the same batch is a hundred times as long under way as it takes.
    pairs = encoder.pairs(QUESTION, [LONG_TEXT] * BATCH)
    for _ in range(4):
        OnnxCrossEncoder.scores(encoder, pairs)
    encoder.gate.set()
    await stuck
    tries = [await reranker.scores(QUESTION, ["a text"], budget=0.2) for _ in range(20)]
    assert any(None not in found for found in tries)


async def test_who_is_cancelled_stops_after_the_batch_that_runs(gated: tuple[Gated, LocalReranker]) -> None:
    encoder, reranker = gated
    encoder.stops_at = 1
    work = asyncio.create_task(reranker.scores(QUESTION, ["a text"] * 50, budget=LONG_ENOUGH))
    assert await asyncio.to_thread(encoder.stopped.wait, LONG_ENOUGH)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    assert work.cancelled()
    encoder.gate.set()
    await reranker.close()
    assert encoder.done == 2


async def test_while_the_model_is_loaded_nothing_waits_for_it(files: ModelFiles) -> None:
    gate = threading.Event()
    opened: list[OnnxCrossEncoder] = []

    def open_encoder() -> OnnxCrossEncoder:
        assert gate.wait(LONG_ENOUGH)
        opened.append(OnnxCrossEncoder(files, threads=0))
        return opened[-1]

    reranker = LocalReranker("slow to load", open_encoder)
    assert await reranker.scores(QUESTION, ["a text"], budget=0.05) == [None]
    gate.set()
    await asyncio.gather(*(reranker.load() for _ in range(4)))
    assert None not in await reranker.scores(QUESTION, ["a text"], budget=LONG_ENOUGH)
    await reranker.close()
    assert len(opened) == 1


async def test_two_questions_share_the_model_batch_by_batch(gated: tuple[Gated, LocalReranker]) -> None:
    encoder, reranker = gated
    encoder.stops_at = 0
    many = asyncio.create_task(reranker.scores(QUESTION, [LONG_TEXT] * 60, budget=LONG_ENOUGH))
    assert await asyncio.to_thread(encoder.stopped.wait, LONG_ENOUGH)
    few = asyncio.create_task(reranker.scores(QUESTION, ["a text"], budget=LONG_ENOUGH))
    encoder.gate.set()
    assert None not in await few
    assert not many.done()
    many.cancel()
    with suppress(asyncio.CancelledError):
        await many


@given(st.lists(st.integers(2, 192), min_size=1, max_size=WINDOW))
def test_every_pair_of_a_window_is_in_one_batch_and_the_best_in_the_first(lengths: list[int]) -> None:
    made = list(batches(lengths))
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert 0 in made[0]
    assert max(map(len, made)) <= BATCH
    assert all(len(b) == 1 or len(b) * max(lengths[row] for row in b) <= BATCH_TOKENS for b in made)


async def test_a_budget_may_be_without_end(reranker: Reranker) -> None:
    assert None not in await reranker.scores(QUESTION, ["a text"], budget=float("inf"))


async def test_the_provider_is_a_reranker_of_the_port() -> None:
    created: Reranker = reranking.create("onnx", "ms-marco-MiniLM-L-12-v2")
    await created.close()
