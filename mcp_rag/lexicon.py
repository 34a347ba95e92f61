"""Text to the weighted terms of the lexical leg. Pure.

BM25 is an inner product once a passage's side is stored: for a term with frequency f in a passage of n
words the stored weight is

    f (k1 + 1) / (f + k1 (1 - b + b n / average))

and the question's side is the term's inverse document frequency. (Robertson and Zaragoza, "The Probabilistic
Relevance Framework: BM25 and Beyond", 2009; idf as in Lucene, never negative.) Terms are hashed into
[1, 1e9] together with the tenant, so that no two tenants share a posting list.
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import Stemmer

TERM_SPACE = 1_000_000_000
EVERY_PASSAGE = 0
"""The term that every passage has: its document frequency is the number of passages."""
TOTAL_LENGTH = -1
"""Not a term: where the statistics keep the sum of all passages' lengths."""

K1, B = 0.9, 0.4
TYPICAL_LENGTH = 40.0
"""Words in a passage, assumed until a store has passages of its own to average."""

# Letters and digits with the vowel signs that Indic scripts and their neighbours write as marks; an emoji is
# a word of its own.
_WORD = re.compile(
    r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0df3\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])+"
    r"|[\u2600-\u27bf\U0001f000-\U0001faff]"
)
# What may be left unwritten: accents, Hebrew points, Arabic vowels with hamza and tatweel.
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]"
)
# Scripts that put no spaces between words are indexed as single characters and pairs.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003134f]+"
)
# Function words say nothing about what a question is after; passages keep them.
_FUNCTION_WORDS = frozenset(
    _WORD.findall("""
        a about after again all am an and any are as at be because been before being between both
        but by can could did do does doing down during each few for from further had has have having
        he her here hers herself him himself his how i if in into is it its itself just me more most
        my myself no nor not now of off on once only or other our ours ourselves out over own please
        same she should so some such tell than that the their theirs them themselves then there
        these they this those through to too under until up us very was we were what when where
        which while who whom whose why will with would you your yours yourself yourselves s t d ll m
        o re ve
    """)
)


@dataclass(frozen=True)
class Terms:
    """A passage's side: terms in ascending order, the weight of each, and the length in words."""

    terms: list[int]
    weights: list[float]
    length: int


def passage_terms(text: str, *, tenant_id: int, average_length: float) -> Terms:
    """The terms of a passage, read together with its context."""
    counts = Counter(_term(tenant_id, word) for word in _words(text, singles=True))
    length = counts.total()
    norm = K1 * (1 - B + B * length / average_length)
    terms = sorted(counts)
    return Terms(terms, [counts[t] * (K1 + 1) / (counts[t] + norm) for t in terms], length)


def query_terms(text: str, *, tenant_id: int) -> dict[int, int]:
    """A question's terms and how often each occurs. Function words count only when nothing else is there."""
    words = list(_words(text, singles=False))
    telling = [word for word in words if word not in _FUNCTION_WORDS]
    return dict(Counter(_term(tenant_id, word) for word in telling or words))


def _words(text: str, *, singles: bool) -> Iterator[str]:
    for match in _WORD.finditer(_fold(text)):
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


def _fold(text: str) -> str:
    """Lower case, compatibility forms and marks removed: "Café" and "cafe" are one word."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text.casefold())
    # Recomposed, because the marks of other scripts (Hangul, kana) belong to their letters.
    return unicodedata.normalize("NFC", _MARKS.sub("", folded))


_stemmers = threading.local()


@lru_cache(maxsize=200_000)
def _term(tenant_id: int, word: str) -> int:
    digest = blake2b(f"{tenant_id}:{_stem(word)}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest) % TERM_SPACE + 1


def _stem(word: str) -> str:
    if not hasattr(_stemmers, "english"):
        _stemmers.english = Stemmer.Stemmer("english")
    stem: str = _stemmers.english.stemWord(word)
    return stem
