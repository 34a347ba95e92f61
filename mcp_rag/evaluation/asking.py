"""Questions to the product's own search and ask, and what came of them, by rows of the set."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mcp_rag.evaluation.dataset import Question
from mcp_rag.evaluation.loading import Places, Progress
from mcp_rag.models import Answer, Confidence, Filters, Hit, NoAnswer, SearchResult
from mcp_rag.rag import LARGEST_PAGE, Rag

T = TypeVar("T")

AT_ONCE = 4


@dataclass(frozen=True)
class Found:
    """What a search gave, best first."""

    rows: tuple[str, ...]
    """Ids of rows, each at its best place only."""
    texts: tuple[str, ...]
    """The passages that were found, one to each row."""
    certainty: float
    confidence: Confidence
    lexical: bool
    """It went by words alone."""
    notice: str | None
    """Why less was done than was asked for, when it was."""


async def search(
    rag: Rag,
    questions: Sequence[Question],
    places: Places,
    *,
    depth: int,
    accurate: bool,
    progress: Progress,
) -> dict[str, Found]:
    """The first `depth` rows for each question.

    An accurate search has a budget of time, so it is asked one at a time, as if it were alone.
    """
    options: dict[str, Any] = {"accurate": True} if accurate else {}

    async def found(question: Question) -> Found:
        return await _found(rag, question, places, depth, options)

    return await _each(questions, found, at_once=1 if accurate else AT_ONCE, progress=progress)


async def ask(rag: Rag, questions: Sequence[Question], *, progress: Progress) -> dict[str, Answer | NoAnswer]:
    """The product's answer, or its word that there is none, to each question; one at a time, see `search`."""

    async def answered(question: Question) -> Answer | NoAnswer:
        return await rag.ask(question.text, filters=scope(question))

    return await _each(questions, answered, at_once=1, progress=progress)


def scope(question: Question) -> Filters:
    """A question's own group, or everything."""
    return Filters(tags=(question.group,)) if question.group else Filters()


async def _found(rag: Rag, question: Question, places: Places, depth: int, options: dict[str, Any]) -> Found:
    first: SearchResult | None = None
    best: dict[str, str] = {}
    cursor: str | None = None
    while first is None or (cursor and len(best) < depth):
        page = await rag.search(
            question.text,
            limit=min(depth, LARGEST_PAGE),
            filters=scope(question),
            cursor=cursor,
            whole=True,
            **options,
        )
        first, cursor = first or page, page.next_cursor
        for row, text in by_row(page.results, places):
            best.setdefault(row, text)
    kept = list(best.items())[:depth]
    rows, texts = tuple(row for row, _ in kept), tuple(text for _, text in kept)
    return Found(
        rows, texts, first.certainty, first.confidence, lexical=first.mode == "lexical", notice=first.notice
    )


def by_row(hits: Iterable[Hit], places: Places) -> list[tuple[str, str]]:
    """The row of each hit, and the hit's text."""
    return [(places[hit.conversation_id, hit.position], hit.text) for hit in hits]


async def _each(
    questions: Sequence[Question],
    work: Callable[[Question], Awaitable[T]],
    *,
    at_once: int,
    progress: Progress,
) -> dict[str, T]:
    turn = asyncio.Semaphore(at_once)

    async def one(question: Question) -> T:
        async with turn:
            done = await work(question)
            progress(1)
            return done

    tasks = [asyncio.create_task(one(question)) for question in questions]
    try:
        done = await asyncio.gather(*tasks)
    finally:
        # The first that fails ends it, before what they all stand on is closed.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {question.id: each for question, each in zip(questions, done, strict=True)}
