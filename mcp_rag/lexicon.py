"""Text to the weighted terms of the lexical leg. Pure.

BM25 is an inner product once a passage's side is stored: for a term with frequency f in a passage of n
words the stored weight is

    f (k1 + 1) / (f + k1 (1 - b + b n / average))

and the question's side is the term's inverse document frequency. (Robertson and Zaragoza, "The Probabilistic
Relevance Framework: BM25 and Beyond", 2009; idf as in Lucene, never negative.) Terms are hashed into
[1, 1e9] together with the tenant, so that no two tenants share a posting list.

A passage is entered under each of its terms, and once more for every level of `LEVELS` that the term's weight
there reaches: the few passages in which a very common word weighs most are found without reading all of them.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from mcp_rag import languages

TERM_SPACE = 1_000_000_000
EVERY_PASSAGE = 0
"""The term that every passage has: its document frequency is the number of passages."""
TOTAL_LENGTH = -1
"""Not a term: where the statistics keep the sum of all passages' lengths."""

LEVELS = (1.17, 1.3, 1.45)
"""Weights from which on a passage is entered under a term once more; the average passage has it once at 1.0.

One occurrence in a very short passage reaches 1.17, two in one of average length reach 1.3, three 1.45. They
add 14 % to the entries of short passages and 47 % to those of long ones. More and lower levels made the index
larger and no top 10 more like the full scan's; without 1.17 a single common word found .86 of it among
1,000,000 passages instead of .98.
"""
INDEX_VERSION = 1
"""Raised with every change of what `passage_terms` or `indexing.context` give: what was stored before it is
indexed again (`reindexing.py`)."""

K1, B = 0.9, 0.4
TYPICAL_LENGTH = 40.0
"""Words in a passage, assumed until a store has passages of its own to average."""

# Letters and digits with the vowel signs that Indic scripts and their neighbours write as marks; an emoji is
# a word of its own.
WORD = re.compile(
    r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0df3\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])+"
    r"|[\u2600-\u27bf\U0001f000-\U0001faff]"
)
# Scripts that put no spaces between words are indexed as single characters and pairs.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003134f]+"
)


@dataclass(frozen=True)
class Terms:
    """A passage's side: terms in ascending order, the weight of each, and the length in words."""

    terms: list[int]
    weights: list[float]
    length: int

    @property
    def entries(self) -> list[int]:
        """What the passage is entered under in the index: its terms, and those that are strong in it."""
        strong = (
            entry(term, level)
            for term, weight in zip(self.terms, self.weights, strict=True)
            for level, least in enumerate(LEVELS, start=1)
            if weight >= least
        )
        return [*self.terms, *strong]


def entry(term: int, level: int) -> int:
    """What passages are entered under in which a term weighs `LEVELS[level - 1]`; at 0, all that have it."""
    return (term, TERM_SPACE + term, -1 - term, -1 - TERM_SPACE - term)[level]


class Asked(NamedTuple):
    """A term of a question."""

    times: int
    """How often it occurs there."""
    word: int
    """Which word of the question it stands for: a word has a term for each stem that it has."""


def passage_terms(text: str, *, tenant_id: int, average_length: float, language: str | None = None) -> Terms:
    """The terms of a passage, read together with its context, in the language of its conversation."""
    counts = passage_counts(text, tenant_id=tenant_id, language=language)
    length = counts.total()
    norm = K1 * (1 - B + B * length / average_length)
    terms = sorted(counts)
    return Terms(terms, [counts[t] * (K1 + 1) / (counts[t] + norm) for t in terms], length)


def passage_counts(text: str, *, tenant_id: int, language: str | None = None) -> Counter[int]:
    """How often each term occurs in a passage."""
    return Counter(_term(tenant_id, word, language) for word in _words(text, singles=True))


def query_terms(text: str, *, tenant_id: int, spoken: Collection[str | None] = (None,)) -> dict[int, Asked]:
    """A question's terms, by the stems that its words have in the languages `spoken` in the store.

    Function words count only when nothing else is there.
    """
    alternatives = Counter(languages.variants(list(_words(text, singles=False)), spoken))
    terms: dict[int, Asked] = {}
    for number, (stems, times) in enumerate(alternatives.items()):
        for stem in stems:
            terms.setdefault(_hashed(tenant_id, stem), Asked(times, number))
    return terms


def _words(text: str, *, singles: bool) -> Iterator[str]:
    for match in WORD.finditer(languages.spell(text)):
        yield from _unspaced(match.group(), singles=singles)


def _unspaced(word: str, *, singles: bool) -> Iterator[str]:
    rest = 0
    for run in _UNSPACED.finditer(word):
        if rest < run.start():
            yield word[rest : run.start()]
        characters = run.group()
        if singles or len(characters) == 1:
            yield from characters
        yield from (characters[i : i + 2] for i in range(len(characters) - 1))
        rest = run.end()
    if rest < len(word):
        yield word[rest:]


@lru_cache(maxsize=200_000)
def _term(tenant_id: int, word: str, language: str | None) -> int:
    return _hashed(tenant_id, languages.stem(word, language))


@lru_cache(maxsize=200_000)
def _hashed(tenant_id: int, stem: str) -> int:
    digest = blake2b(f"{tenant_id}:{stem}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest) % TERM_SPACE + 1
