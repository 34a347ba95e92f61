"""Hits as an answerer reads them: whole passages in sentences, as many as there is room for."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from mcp_rag import passages
from mcp_rag.models import Evidence, Hit

HEADER = 40
"""Tokens that a source's address, speaker and date take, and what fences it."""


def split(hits: Sequence[Hit]) -> list[Evidence]:
    return [Evidence(hit=hit, sentences=tuple(_sentences(hit.text))) for hit in hits]


def within(hits: Sequence[Hit], tokens: int, count: Callable[[str], int]) -> list[Hit]:
    """The first hits that together have no more than so many tokens; the first of all in any case."""
    chosen: list[Hit] = []
    for hit in hits:
        tokens -= count(hit.text) + HEADER
        if chosen and tokens < 0:
            break
        chosen.append(hit)
    return chosen


def _sentences(text: str) -> list[str]:
    """Sentences, each with the space that follows it: together they are the text."""
    starts = [0, *(start for start, _ in passages.sentences(text)[1:]), len(text)]
    return [text[a:b] for a, b in pairwise(starts) if b > a]
