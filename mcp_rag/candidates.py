"""Which passages a question's words select to be scored. Pure.

BM25 is exact for every passage that is scored; what costs time is how many are. A rare word selects all its
passages. Of words that are too common for that, only passages that can score high are wanted: those in which
a word is strong (`lexicon.LEVELS`), those that have several of them, or both. Such a combination promises a
score that its passages have at least. Those with the highest promises come first, as many as are expected to
select what there is room for. Words that avoid one another select fewer, words that go together select more:
so further ones follow, and the statement stops reading when it has its fill. (After impact-ordered postings:
Anh and Moffat, "Pruned Query Evaluation Using Pre-Computed Impacts", 2006.)
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import log1p, prod
from typing import NamedTuple

from mcp_rag import lexicon
from mcp_rag.lexicon import Asked

WIDTH = 3
"""Words in a combination, at most; and how many common words of a question are combined: the rarest."""
TIERS = 0.3, 1.0, 3.0, 10.0, 30.0
"""Shares of the budget that are expected to be selected, one after the other."""
TOO_FEW = 150
"""While fewer candidates than this are expected, the next combination is taken whatever it costs."""
ENOUGH, DEAR = 800, 30_000
"""Once so many candidates are expected, no combination is taken whose rarest demand has so many entries: the
index reads them all. Among a million passages one common word takes half the time, and nothing is lost."""
LEAST = (0.75, *lexicon.LEVELS)
"""What a word weighs at least in a passage, by its level. At 0 a guess: very long ones have less."""


@dataclass(frozen=True)
class Word:
    """A term of a question: what it adds to a score, and in how many passages it has which level or more."""

    term: int
    word: int
    """Which word of the question it stands for; alternatives for one word weigh the same."""
    weight: float
    found: tuple[int, ...]

    @property
    def postings(self) -> int:
        return self.found[0]


@dataclass(frozen=True)
class Plan:
    """What the search statement is asked by words."""

    words: list[Word]
    any_of: list[int]
    """Entries that each select all their passages."""
    all_of: list[int]
    """Combinations of `WIDTH` entries, end to end, to be read in this order: passages that have all three."""


class _Demand(NamedTuple):
    """A word at a level."""

    entry: int
    bits: int
    """One for this level of this word, and for those below it."""
    promise: float
    found: int
    """The passages that meet it."""


class _Combination(NamedTuple):
    entries: tuple[int, ...]
    bits: int
    """Those of all its demands."""
    promise: float
    expected: float
    """How many passages it selects if words occur independently of one another."""
    read: int
    """How many entries the index reads for it: those of its rarest demand."""

    def holds(self, other: "_Combination") -> bool:
        """Whether it selects all that the other selects."""
        return not self.bits & ~other.bits


def entries(terms: Iterable[int]) -> list[int]:
    """Of what the statistics are needed to plan a question with these terms."""
    levels = range(len(lexicon.LEVELS) + 1)
    return [lexicon.EVERY_PASSAGE, *(lexicon.entry(term, level) for term in terms for level in levels)]


def plan(asked: Mapping[int, Asked], statistics: Mapping[int, int], *, budget: int) -> Plan:
    """Choose about `budget` candidates for the terms of a question."""
    passages = statistics.get(lexicon.EVERY_PASSAGE, 0)
    words = _words(asked, statistics, passages)
    rare, common = _divide(words, budget)
    left = budget - sum(word.postings for word in rare)
    heaviest = sorted(common, key=lambda word: (-word.weight, word.term))[:WIDTH]
    chosen = _in_tiers(_combinations(heaviest, passages), left)
    return Plan(
        words,
        any_of=[word.term for word in rare],
        all_of=[entry for combination in chosen for entry in _filled(combination.entries)],
    )


def _words(asked: Mapping[int, Asked], statistics: Mapping[int, int], passages: int) -> list[Word]:
    """A word is as rare as all its stems together: one that no passage has would outweigh the others."""
    found = {term: _found(term, statistics) for term in asked}
    in_all: Counter[int] = Counter()
    for term, (_, word) in asked.items():
        in_all[word] += found[term][0]
    return [
        Word(term, word, times * _rarity(min(in_all[word], passages), passages), found[term])
        for term, (times, word) in asked.items()
    ]


def _found(term: int, statistics: Mapping[int, int]) -> tuple[int, ...]:
    # A count may be ahead of another that was folded a moment later, but it is never less than none.
    return tuple(max(0, statistics.get(lexicon.entry(term, level), 0)) for level in range(len(LEAST)))


def _rarity(found: int, passages: int) -> float:
    """Inverse document frequency as in Lucene."""
    return log1p((passages - found + 0.5) / (found + 0.5))


def shares(plan: Plan) -> dict[int, tuple[int, float]]:
    """For each term its word, and the share of the question, weighed by rarity, that the word is."""
    weight = {word.word: word.weight for word in plan.words}
    whole = sum(weight.values()) or 1.0
    return {word.term: (word.word, word.weight / whole) for word in plan.words}


def _divide(words: Iterable[Word], budget: int) -> tuple[list[Word], list[Word]]:
    """The words whose passages the budget has room for, the rarest first; and the others."""
    ordered = sorted((word for word in words if word.postings), key=lambda word: (word.postings, word.term))
    rare: list[Word] = []
    for place, word in enumerate(ordered):
        budget -= word.postings
        if budget < 0:
            return rare, ordered[place:]
        rare.append(word)
    return rare, []


def _combinations(words: list[Word], passages: int) -> list[_Combination]:
    """Every combination of some of the words at some level each, the highest promise first."""
    demands = [_demands(word, place) for place, word in enumerate(words)]
    found = [
        _combination(chosen, passages)
        for size in range(1, len(words) + 1)
        for some in combinations(demands, size)
        # Three words at once are few passages already.
        for chosen in product(*(each if size < WIDTH else each[:2] for each in some))
    ]
    return sorted(found, key=lambda combination: -combination.promise)


def _demands(word: Word, place: int) -> list[_Demand]:
    """One for each level; `place` is the word's among those that are combined."""
    return [
        _Demand(
            lexicon.entry(word.term, level),
            bits=(2 << level) - 1 << len(LEAST) * place,
            promise=word.weight * least,
            found=word.found[level],
        )
        for level, least in enumerate(LEAST)
    ]


def _combination(demands: tuple[_Demand, ...], passages: int) -> _Combination:
    return _Combination(
        entries=tuple([each.entry for each in demands]),
        bits=sum([each.bits for each in demands]),
        promise=sum([each.promise for each in demands]),
        expected=passages * prod([each.found / passages for each in demands]),
        read=min([each.found for each in demands]),
    )


def _in_tiers(ordered: list[_Combination], budget: int) -> list[_Combination]:
    """What each tier adds to those before it."""
    rest, widest, chosen = deque(ordered), list[_Combination](), list[_Combination]()
    for tier in TIERS:
        widest = _widened(widest, rest, tier * budget)
        chosen += [each for each in widest if not any(other.holds(each) for other in chosen)]
    return chosen


def _widened(chosen: list[_Combination], rest: deque[_Combination], budget: float) -> list[_Combination]:
    """With the next of the rest, for as long as the budget has room for what all are expected to select."""
    expected = sum(each.expected for each in chosen)
    while rest:
        if not any(other.holds(rest[0]) for other in chosen):
            others = [other for other in chosen if not rest[0].holds(other)]
            wider = rest[0].expected + sum(other.expected for other in others)
            if wider > budget and expected >= TOO_FEW:
                break
            if rest[0].read < DEAR or expected < ENOUGH:
                chosen, expected = [*others, rest[0]], wider
        rest.popleft()
    return chosen


def _filled(entries: tuple[int, ...]) -> tuple[int, ...]:
    return entries + entries[-1:] * (WIDTH - len(entries))
