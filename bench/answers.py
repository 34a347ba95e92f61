"""Answers beside the searches they are made from: what asking adds, how soon it begins, what is saved."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from bench.corpus import Corpus
from bench.figures import Figure, Reference, Target, percentile
from bench.stores import Lent, Progress, empty_store, opened, store_all
from mcp_rag import caching
from mcp_rag.models import Claim, NewConversation, Quote, Spent, Wanted
from mcp_rag.ports import Brief, Embedder
from mcp_rag.rag import Rag

QUESTIONS = 60
WORDS = 12
"""Words of a message that make a question which it answers."""
OVERHEAD, FIRST, KEPT = Target(10), Target(1.2), Target(0.1)


class Immediate:
    """A model that takes no time: three sentences, each with the beginning of a source as its quote."""

    name, model = "immediate", "none"

    async def write(self, brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        for source, evidence in enumerate(brief.evidence[:3]):
            yield Claim(text=" It is so.", quotes=(Quote(source=source, text=evidence.sentences[0]),))

    async def close(self) -> None:
        """There is nothing to give back."""


async def measure(
    server_url: str, corpus: Corpus, embedder: Embedder, *, size: int, progress: Progress
) -> list[Figure]:
    """A store of about `size` passages, each question asked in every way by turns."""
    progress(f"answering from {size:,} passages")
    told = list(first(corpus, size))
    cache, lent = caching.create(None), Lent(embedder)
    async with (
        empty_store(server_url, lent) as (rag, url),
        opened(url, lent, answerer=Immediate()) as writing,
        opened(url, lent, cache=cache) as keeping,
    ):
        await store_all(rag, told)
        await rag.vectors.drain()
        ways = _ways(rag, writing, keeping)
        took: dict[str, list[float]] = {name: [] for name in ways}
        for turn, question in enumerate(questions_of(told)):
            await keeping.ask(question)
            # Whoever comes later finds the caches warm: so everybody does, in turn.
            names = list(ways)
            for name in names[turn % len(ways) :] + names[: turn % len(ways)]:
                started = time.perf_counter()
                await ways[name](question)
                took[name].append((time.perf_counter() - started) * 1000)
    return _figures(took)


def first(corpus: Corpus, size: int) -> Iterator[NewConversation]:
    for conversation in corpus.grown(size):
        if size <= 0:
            return
        size -= len(conversation.messages)
        yield conversation


def questions_of(told: Sequence[NewConversation]) -> list[str]:
    texts = [message.text.split() for conversation in told for message in conversation.messages]
    long = [" ".join(words[:WORDS]) for words in texts if len(words) >= WORDS]
    return long[:: max(1, len(long) // QUESTIONS)][:QUESTIONS]


def _ways(rag: Rag, writing: Rag, keeping: Rag) -> dict[str, Callable[[str], Awaitable[Any]]]:
    """None has a second stage, whose time is a budget."""

    async def begin(question: str) -> None:
        async with aclosing(rag.answering(question)) as events:
            await anext(events)

    return {
        "search": rag.search,
        "begin": begin,
        "written": writing.ask,
        "quoted": rag.ask,
        "cached": keeping.ask,
    }


def _figures(took: dict[str, list[float]]) -> list[Figure]:
    added = [one - other for one, other in zip(took["written"], took["search"], strict=True)]
    search = Reference("a search", percentile(took["search"], 0.5))
    quoted = percentile(took["quoted"], 0.5)
    return [
        Figure(
            "what ask adds to its search and its model, p50",
            percentile(added, 0.5),
            "ms",
            target=OVERHEAD,
            note="a model that takes no time, three quotes to verify",
        ),
        Figure("ask until its sources are there, p50", percentile(took["begin"], 0.5), "ms", search, FIRST),
        Figure("ask without a model, p50", quoted, "ms", search),
        Figure(
            "ask once more, p50",
            percentile(took["cached"], 0.5),
            "ms",
            Reference("the first time, without a model", quoted),
            KEPT,
        ),
    ]
