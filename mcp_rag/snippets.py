"""The part of a passage that shows why it was found, and whether words stand in a text. Pure."""

import re
from collections.abc import Collection

from mcp_rag import lexicon, passages

_SPACE = re.compile(r"\s+")


def snippet(text: str, wanted: Collection[int], *, tenant_id: int, width: int) -> str:
    """At most about `width` characters around the sentence that has most of the wanted terms."""
    if len(text) <= width:
        return text
    spans, wanted = passages.sentences(text), set(wanted)
    best = max(range(len(spans)), key=lambda i: _overlap(text[slice(*spans[i])], wanted, tenant_id))
    start = spans[best][0]
    while best > 0 and spans[best][1] - spans[best - 1][0] < width // 3:
        best -= 1
        start = spans[best][0]
    stop = _word_end(text, min(len(text), start + width))
    return f"{'…' if start > 0 else ''}{text[start:stop].strip()}{'…' if stop < len(text) else ''}"


def stands_in(quote: str, text: str) -> bool:
    """Whether the quote is in the text word for word, whatever the space between the words."""
    return bool(quote.strip()) and _SPACE.sub(" ", quote).strip() in _SPACE.sub(" ", text)


def _overlap(sentence: str, wanted: set[int], tenant_id: int) -> int:
    return len(lexicon.query_terms(sentence, tenant_id=tenant_id).keys() & wanted)


def _word_end(text: str, stop: int) -> int:
    space = text.rfind(" ", max(0, stop - 30), stop)
    return stop if stop == len(text) or space < 0 else space
