"""Whether two sentences say something different of the same thing. Pure.

They do if most of their telling words are common and they differ in a number, in a "not", or in a word or two
that stand in one another's place: "opens at 9" and "opens at 10", "we chose Postgres" and "we chose MySQL".
That is seen, not understood: what is said of one thing in quite different words is not known for it, and
"I ran 5 km" and "I ran 7 km" may be two runs. So who shows it says that they differ, not that one is wrong.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from mcp_rag import languages

ALIKE = 0.5
"""Of the telling words of both, a number or a "not" aside, the share that must be common."""
EXCHANGED = 2
"""The most telling words that stand in one another's place; as many must be common."""
NEGATIONS = {
    "en": "not no never cannot without t neither nor",
    "cs": "ne není bez nikdy",
    "da": "ikke ej aldrig uden ingen",
    "de": "nicht kein keine keinen keinem keiner nie niemals ohne",
    "es": "no nunca jamás sin ningún ninguna",
    "fr": "ne n pas jamais aucun aucune sans",
    "it": "non mai senza nessun nessuno nessuna",
    "nl": "niet geen nooit zonder",
    "no": "ikke aldri uten ingen",
    "pl": "nie nigdy bez",
    "pt": "não nunca sem nenhum nenhuma",
    "ru": "не нет никогда без",
    "sv": "inte ej aldrig utan ingen",
}
"""By language; "t" is what is left of "isn't"."""

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")


class _Said(NamedTuple):
    words: dict[str, str]
    """Stems of its telling words, each with the word before it."""
    numbers: frozenset[str]
    negated: bool


def differ(one: str, other: str) -> bool:
    language = languages.detect(f"{one} {other}")
    a, b = _said(one, language), _said(other, language)
    common = len(a.words.keys() & b.words.keys())
    if common > ALIKE * len(a.words.keys() | b.words.keys()) and _contrary(a, b):
        return True
    return common >= EXCHANGED and _exchanged(a.words, b.words)


def _contrary(a: _Said, b: _Said) -> bool:
    return a.negated != b.negated or bool(a.numbers - b.numbers and b.numbers - a.numbers)


def _exchanged(a: dict[str, str], b: dict[str, str]) -> bool:
    """Whether each has a word or two that the other lacks, one of them after the same word as the other's."""
    ones, others = a.keys() - b.keys(), b.keys() - a.keys()
    if not 1 <= len(ones) <= EXCHANGED or not 1 <= len(others) <= EXCHANGED:
        return False
    return bool({a[word] for word in ones} & {b[word] for word in others})


def _said(text: str, language: str | None) -> _Said:
    words = [word.casefold() for word in _WORD.findall(languages.spell(_NUMBER.sub(" ", text)))]
    empty = languages.function_words(language)
    return _Said(
        words={
            languages.stem(word, language): before
            for before, word in pairwise(["", *words])
            if word not in empty
        },
        numbers=frozenset(_NUMBER.findall(text)),
        negated=any(word in words for word in NEGATIONS.get(language or languages.DEFAULT, "").split()),
    )
