"""A question to ranked passages: understood, looked up by words and by meaning, ranked, read again."""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mcp_rag import content, indexing, questions, ranking, telemetry
from mcp_rag.dates import Period
from mcp_rag.errors import ModelError
from mcp_rag.hits import Found
from mcp_rag.models import Candidate, Filters
from mcp_rag.ports import Reranker
from mcp_rag.postgres.store import Store
from mcp_rag.questions import Question
from mcp_rag.ranking import Ranked
from mcp_rag.vectors import Vectors


class Retrieval:
    """Search of one tenant's store."""

    def __init__(
        self, store: Store, vectors: Vectors, reranker: Reranker | None, *, budget: float, tenant_id: int
    ) -> None:
        """`budget`: seconds that the second stage may take."""
        self._store = store
        self._vectors = vectors
        self._reranker = reranker
        self._budget = budget
        self._tenant_id = tenant_id

    def of(self, tenant_id: int) -> "Retrieval":
        """The same for another tenant."""
        theirs = copy(self)
        theirs._tenant_id = tenant_id
        return theirs

    @property
    def reranks(self) -> bool:
        """Whether there is a second stage."""
        return self._reranker is not None

    async def find(
        self, text: str, filters: Filters, *, now: datetime, accurate: bool, also: Sequence[int] = ()
    ) -> Found:
        """Every passage that either leg found, ranked; the first few twice if it is to be `accurate`.

        The passages with the keys in `also` are ranked with them, found or not.

        Two things that a question names are looked up each by itself too, and so is an event by which it says
        when ("before the move"): all at once, in one more round trip.
        """
        filters = content.filters(filters)
        found = await self._looked_up(text, filters, now, also=also)
        question = found.question
        parts, events = await asyncio.gather(
            self._each(question.parts, filters, now),
            self._each([event.text for event in question.events], filters, now),
        )
        if periods := _dated(question, events):
            question = replace(question, periods=[*question.periods, *periods])
            found = replace(found, question=question, ranked=ranking.rank(found.candidates, question))
        found = _in_order(replace(found, parts=[part.ranked for part in parts]), found.ranked)
        return await self.read_again(found) if accurate else found

    async def _each(self, texts: Sequence[str], filters: Filters, now: datetime) -> list[Found]:
        return await asyncio.gather(*(self._looked_up(text, filters, now) for text in texts))

    async def _looked_up(
        self, text: str, filters: Filters, now: datetime, *, also: Sequence[int] = ()
    ) -> Found:
        """One question's passages, ranked; one statement asks both legs."""
        with telemetry.stage("understanding"):
            question = await self._understood(text, filters, now)
        with telemetry.stage("embedding"):
            vector, notice = await self._vectors.of_query(question.about)
        with telemetry.stage("legs"):
            candidates = await self._found(question, vector, filters, also)
        with telemetry.stage("ranking"):
            ranked = ranking.rank(candidates, question)
        return Found(ranked, candidates, question, vector, lexical=notice, tenant_id=self._tenant_id)

    async def _found(
        self, question: Question, vector: NDArray[np.float32] | None, filters: Filters, also: Sequence[int]
    ) -> list[Candidate]:
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            if vector is not None:
                await self._vectors.confirm(tx)
            return await tx.search(
                question.terms,
                vector,
                filters,
                model_key=self._vectors.model_key,
                dimensions=self._vectors.dimensions,
                also=also,
            )

    async def beside(self, found: Found, start: int, stop: int, *, around: int) -> Found:
        """The same with the messages beside those that are ranked from `start` to `stop`."""
        places = found.places(start, stop)
        if not around or not places:
            return found
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            return replace(found, neighbours=await tx.neighbours(places, around=around))

    async def _understood(self, text: str, filters: Filters, now: datetime) -> Question:
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            people = await tx.people_named(questions.possible_names(text), filters)
            spoken = await tx.languages()
        return questions.understand(text, people=people, spoken=spoken, now=now, tenant_id=self._tenant_id)

    async def read_again(self, found: Found) -> Found:
        """The same with its first few read together with the question, or word of why they could not be."""
        if self._reranker is None:
            return replace(found, not_reranked="Not reranked: MCP_RAG_RERANKING_PROVIDER is none.")
        texts = [_read_as(item) for item in found.own[: ranking.RERANKED]]
        try:
            # Once; what it takes is not taken from the budget.
            await self._reranker.load()
            with telemetry.stage("reranking"):
                logits = await self._reranker.scores(found.question.text, texts, budget=self._budget)
        except ModelError as error:
            return replace(found, not_reranked=f"Not reranked: {error}")
        if found.own and all(logit is None for logit in logits):
            return replace(found, not_reranked="Not reranked: MCP_RAG_RERANKING_BUDGET_MS was too short.")
        return _in_order(found, ranking.rerank(found.own, logits))


def _in_order(found: Found, own: list[Ranked]) -> Found:
    """The same with another ranking of its own, the best of each of its parts in front."""
    return replace(found, own=own, ranked=ranking.with_the_best_of(own, found.parts))


def _dated(question: Question, found: Sequence[Found]) -> list[Period]:
    """The time before or after each event, where what was found for it tells surely when that was."""
    periods = [
        event.period(each.ranked[0].candidate.sent_at)
        for event, each in zip(question.events, found, strict=True)
        if each.ranked and each.confidence == "high"
    ]
    return [period for period in periods if period is not None]


def _read_as(item: Ranked) -> str:
    """One passage by itself, with who said it and when: neighbours beside it were measured to mislead."""
    found = item.candidate
    return f"{indexing.context(found.title, found.speaker, found.sent_at)}: {found.text}"
