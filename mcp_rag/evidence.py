"""Hits as an answerer reads them: whole passages, each sentence with its likeness to the question."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mcp_rag import lexicon, passages
from mcp_rag.models import Citation, Draft, Evidence, Hit, Sentence
from mcp_rag.postgres.store import Transaction
from mcp_rag.snippets import stands_in
from mcp_rag.vectors import Vectors

SOURCES = 6
"""Hits that an answer may be made of."""
SENTENCES = 48
"""Sentences compared with the question, the best hits' first: each costs milliseconds."""


async def gather(
    question: str,
    vector: NDArray[np.float32] | None,
    hits: Sequence[Hit],
    vectors: Vectors,
    *,
    tenant_id: int,
) -> list[Evidence]:
    """The first few hits with their sentences; without a vector, likeness is the share of words in common."""
    split = [(hit, _split(hit.text)) for hit in hits[:SOURCES]]
    texts = [text for _, pieces in split for text in pieces][:SENTENCES]
    if vector is None:
        likeness = [_overlap(question, text, tenant_id) for text in texts]
    else:
        likeness = [float(x) for x in await vectors.of_passages(texts) @ vector]
    scored = iter(zip(texts, likeness, strict=True))
    return [
        Evidence(
            hit=hit,
            passage=hit.text,
            sentences=tuple(
                Sentence(text=text, similarity=similarity)
                for _, (text, similarity) in zip(pieces, scored, strict=False)
            ),
        )
        for hit, pieces in split
    ]


async def verified(tx: Transaction, draft: Draft, read: Sequence[Evidence]) -> tuple[Citation, ...]:
    """The draft's quotes as citations, each compared with the message as it is stored; none if one fails."""
    citations = []
    for n, quote in enumerate(draft.quotes, 1):
        hit = read[quote.source].hit
        stored = await tx.messages(hit.conversation_id, first=hit.position, last=hit.position)
        citations.append(
            Citation(
                n=n,
                uri=hit.url,
                quote=quote.text,
                title=hit.title,
                speaker=hit.speaker,
                date=hit.date,
                verified=any(stands_in(quote.text, message.text) for message in stored),
            )
        )
    return tuple(citations) if all(citation.verified for citation in citations) else ()


def _split(text: str) -> list[str]:
    """Sentences, each with the space that follows it: together they are the text."""
    starts = [0, *(start for start, _ in passages.sentences(text)[1:]), len(text)]
    return [text[a:b] for a, b in pairwise(starts) if text[a:b].strip()]


def _overlap(question: str, text: str, tenant_id: int) -> float:
    wanted = lexicon.query_terms(question, tenant_id=tenant_id).keys()
    return len(wanted & lexicon.query_terms(text, tenant_id=tenant_id).keys()) / max(1, len(wanted))
