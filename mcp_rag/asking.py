"""A question to an answer, step by step: looked up, read, written about, verified, kept.

Whoever writes the answer is not trusted. Only sentences that stand on a quote found word for word in the
store come out, each as soon as its quotes are verified; a model that is late or down gives way to one that
quotes without it.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

from mcp_rag import content, grounding, lexicon, telemetry, tracing
from mcp_rag.answering import instructions
from mcp_rag.answering.client import Client
from mcp_rag.answering.extractive import Extractive
from mcp_rag.briefs import Asked, Briefs, Limits
from mcp_rag.errors import AnsweringFailed, EmbeddingFailed, ModelError, TokensSpent
from mcp_rag.grounding import Draft
from mcp_rag.hits import Found
from mcp_rag.keeping import Keeping, Kept
from mcp_rag.ledger import Ledger
from mcp_rag.models import (
    Account,
    Answer,
    Citation,
    Claim,
    Delta,
    Done,
    Drafted,
    Event,
    Evidence,
    NoAnswer,
    Prompt,
    Quote,
    Sources,
    Spent,
    Wanted,
)
from mcp_rag.ports import Answerer, Brief, Cache
from mcp_rag.postgres.store import Store
from mcp_rag.retrieval import Retrieval
from mcp_rag.snippets import stands_in
from mcp_rag.vectors import Vectors

NEAREST = 3
"""Near misses that come with the word that nothing answers."""
VERSION = 2
"""Raised with every change of how answers are made: what was kept before is made again."""


class Asking:
    """Answers from one tenant's store."""

    def __init__(
        self,
        store: Store,
        retrieval: Retrieval,
        vectors: Vectors,
        answerer: Answerer | None,
        cache: Cache | None,
        *,
        limits: Limits,
        briefs: Briefs,
        tenant_id: int,
    ) -> None:
        """Without an `answerer` the passages are quoted."""
        self._store = store
        self._retrieval = retrieval
        self._vectors = vectors
        self._answerer = answerer
        self._keeping = Keeping(cache)
        self._limits = limits
        self._briefs = briefs
        self._tenant_id = tenant_id

    def of(self, retrieval: Retrieval, tenant_id: int) -> "Asking":
        """The same for another tenant, whose retrieval it is."""
        theirs = copy(self)
        theirs._retrieval, theirs._tenant_id = retrieval, tenant_id
        return theirs

    async def stream(self, asked: Asked, drafted: Drafted | None = None) -> AsyncGenerator[Event]:
        """The answer as it comes; `Done` is the last event.

        What was `drafted` was so from what the first stage finds, so that nothing is reranked.

        Raises:
            TokensSpent: the tenant's models have had their tokens of today.
            ModelMismatch, StoreUnavailable: as a search does.
        """
        ledger = Ledger()
        key = await self._key(asked) if self._keeping.cache is not None and drafted is None else None
        if kept := await self._keeping.get(key):
            for event in kept.events(ledger):
                yield event
            return
        found = await self._look_up(asked, asked.looked_up)
        ledger.lap("retrieval")
        sources = Sources(hits=tuple(found.hits(0, self._limits.passages)))
        yield sources
        if drafted is None:
            found = await self._retrieval.read_again(found)
            ledger.lap("reranking")
        ledger.lasting = not found.lexical and not (found.not_reranked and self._retrieval.reranks)
        writer = Client(drafted) if drafted else self._answerer
        async with aclosing(self._answered(asked, found, writer, ledger)) as events:
            async for event in events:
                if isinstance(event, Done) and ledger.lasting:
                    await self._keeping.put(key, Kept(sources=sources, done=event))
                yield event

    async def forget(self) -> None:
        """Keep no answer any longer."""
        await self._keeping.forget(self._tenant_id)

    async def prompt(self, asked: Asked) -> Prompt | None:
        """What a model elsewhere is to read; None where the store has nothing to answer with."""
        found = await self._look_up(asked, asked.looked_up)
        if found.confidence == "none":
            return None
        brief = replace(self._briefs.of(asked, found, model=True), may_search=False)
        system, user = instructions.prompt(await self._briefs.redacted(brief))
        return Prompt(system=system, user=user, max_tokens=self._limits.length)

    async def _look_up(self, asked: Asked, text: str) -> Found:
        return await self._retrieval.find(
            text[: content.LONGEST_QUERY], asked.filters, now=asked.now, accurate=False
        )

    async def _answered(
        self, asked: Asked, found: Found, writer: Answerer | None, ledger: Ledger
    ) -> AsyncGenerator[Delta | Citation | Done]:
        quoting = Extractive(lambda texts: self._likeness(found, texts))
        writer = writer or quoting
        if found.confidence == "none":
            reason = "The store holds nothing that answers this."
            yield Done(reply=_no_answer(reason, found, ledger.account(quoting)))
            return
        if writer is self._answerer:
            await self._afford()
        brief, draft = self._briefs.of(asked, found, model=writer.model is not None), Draft()
        try:
            async with aclosing(self._written(asked, brief, writer, draft, ledger)) as events:
                async for event in events:
                    yield event
        except ModelError as error:
            ledger.lasting = False
            if draft.citations:
                ledger.notices.append(f"It breaks off here: {error}")
            else:
                ledger.notices.append(f"Quoted without a model: {error}")
                writer = quoting
                async with aclosing(self._written(asked, brief, quoting, draft, ledger)) as events:
                    async for event in events:
                        yield event
        yield Done(reply=_reply(draft, found, writer, ledger))

    async def _written(
        self, asked: Asked, brief: Brief, writer: Answerer, draft: Draft, ledger: Ledger
    ) -> AsyncGenerator[Delta | Citation]:
        """What the writer claims, as far as it can be verified; after one more search if it wants one."""
        given = await self._briefs.redacted(brief) if writer.model is not None else brief
        wanted: str | None = None
        spent, model_call = Spent(), tracing.ModelCall(writer.name, writer.model)
        try:
            patience = None if writer.model is None else self._limits.seconds - ledger.seconds
            async with aclosing(_within(writer.write(given), patience)) as items:
                async for item in items:
                    ledger.lap("writing")
                    if isinstance(item, Spent):
                        spent = _sum(spent, item)
                    elif isinstance(item, Wanted):
                        wanted = item.question
                    else:
                        for event in await self._verified(item, given.evidence, brief.evidence, draft):
                            yield event
                        ledger.lap("verifying")
        except ModelError as error:
            model_call.failed(error)
            raise
        finally:
            model_call.end(spent.tokens_in, spent.tokens_out)
            ledger.lap("writing")
            await self._pay(spent, ledger)
        if wanted and brief.may_search and not draft.text:
            more = self._briefs.with_more(brief, await self._look_up(asked, wanted))
            ledger.lap("retrieval")
            async with aclosing(self._written(asked, more, writer, draft, ledger)) as events:
                async for event in events:
                    yield event

    async def _verified(
        self, claim: Claim, given: Sequence[Evidence], stored: Sequence[Evidence], draft: Draft
    ) -> list[Delta | Citation]:
        """What the claim adds to the draft; nothing if it stands on no quote, or one is not in the store."""
        quotes = grounding.ground(claim, given, stored)
        if not quotes or not await self._stand(quotes, stored):
            draft.left_out += 1
            return []
        return draft.take(claim, quotes, stored)

    async def _stand(self, quotes: Sequence[Quote], read: Sequence[Evidence]) -> bool:
        """Whether each quote stands in its message as that is stored now."""
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            for quote in quotes:
                hit = read[quote.source].hit
                stored = await tx.messages(hit.conversation_id, first=hit.position, last=hit.position)
                if not any(stands_in(quote.text, message.text) for message in stored):
                    return False
        return True

    async def _likeness(self, found: Found, texts: list[str]) -> list[float]:
        """Cosines with the question; without a vector, the share of its words that each text has."""
        if found.vector is not None:
            try:
                return [float(x) for x in await self._vectors.of_passages(texts) @ found.vector]
            except EmbeddingFailed:
                pass
        wanted = found.question.terms.keys()
        had = (lexicon.query_terms(text, tenant_id=self._tenant_id).keys() for text in texts)
        return [len(wanted & terms) / max(1, len(wanted)) for terms in had]

    async def _afford(self) -> None:
        if not self._limits.tokens_a_day:
            return
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            used = await tx.tokens_used(datetime.now(UTC).date())
        if used >= self._limits.tokens_a_day:
            raise TokensSpent(
                f"Models have used {used:,} tokens today, of {self._limits.tokens_a_day:,} that they may."
            )

    async def _pay(self, spent: Spent, ledger: Ledger) -> None:
        ledger.tokens_in += spent.tokens_in
        ledger.tokens_out += spent.tokens_out
        if spent.tokens_in or spent.tokens_out:
            telemetry.tokens_spent(spent.tokens_in, spent.tokens_out)
            async with self._store.transaction(self._tenant_id) as tx:
                await tx.use_tokens(datetime.now(UTC).date(), spent.tokens_in + spent.tokens_out)

    async def _key(self, asked: Asked) -> str:
        """The same for the same question, on the same day, to the same state of the store and settings."""
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            state = await tx.state(asked.filters.conversation_id)
        writer = (self._answerer.name, self._answerer.model) if self._answerer else None
        parts = [
            VERSION, state, self._vectors.model_key, writer, repr(self._limits),
            self._briefs.redacts, asked.now.date().isoformat(),
            asked.question, asked.filters.model_dump(mode="json"),
            [turn.model_dump() for turn in asked.history],
        ]  # fmt: skip
        return f"{self._tenant_id}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def _reply(draft: Draft, found: Found, writer: Answerer, ledger: Ledger) -> Answer | NoAnswer:
    unborne = draft.left_out if writer.model is not None else 0
    if unborne:
        sentences = "1 sentence" if unborne == 1 else f"{unborne} sentences"
        ledger.notices.append(f"{sentences} left out: no quote that stands in the store bears them.")
    account = ledger.account(writer)
    if draft.citations:
        return Answer(
            text=draft.text,
            citations=tuple(draft.citations),
            confidence=found.confidence,
            account=account,
        )
    if not unborne:
        return _no_answer("What was found does not answer this.", found, account)
    # Asked again, a model may do better.
    ledger.lasting = False
    return _no_answer(
        "An answer was written and withdrawn: none of its quotes stands in the store.", found, account
    )


def _no_answer(reason: str, found: Found, account: Account) -> NoAnswer:
    return NoAnswer(reason=reason, nearest=tuple(found.hits(0, NEAREST)), account=account)


async def _within(
    items: AsyncGenerator[Claim | Wanted | Spent], patience: float | None
) -> AsyncGenerator[Claim | Wanted | Spent]:
    """What comes within so many seconds.

    Raises:
        AnsweringFailed: they are over.
    """
    deadline = None if patience is None else asyncio.get_running_loop().time() + patience
    async with aclosing(items):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise AnsweringFailed("The model was not done in time (MCP_RAG_ANSWERING_SECONDS).") from None
            yield item


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(tokens_in=one.tokens_in + other.tokens_in, tokens_out=one.tokens_out + other.tokens_out)
