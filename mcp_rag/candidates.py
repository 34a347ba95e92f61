"""Which passages a question's words select to be scored. Pure.

BM25 is exact for every passage that is scored; what costs time is how many are. A rare word selects all its
passages. Of words that are too common for that, only passages that can score high are wanted: those in which
a word is strong (`lexicon.LEVELS`), those that have several of them, or both. Such a combination promises a
score that its passages have at least. Those with the highest promises come first, as many as are expected to
select what there is room for. Words that avoid one another select fewer, words that go together select more:
so further ones follow, and the statement stops reading when it has its fill. (After impact-ordered postings:
Anh and Moffat, "Pruned Query Evaluation Using Pre-Computed Impacts", 2006.)
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import log1p, prod

from mcp_rag import lexicon
from mcp_rag.lexicon import Asked

WIDTH = 3
"""Words in a combination, at most; and how many common words of a question are combined: the rarest."""
TIERS = 0.3, 1.0, 3.0, 10.0, 30.0
"""Shares of the budget that are expected to be selected, one after the other."""
TOO_FEW = 150
"""While fewer candidates than this are expected, the next combination is taken whatever it costs."""
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


@dataclass(frozen=True)
class _Combination:
    entries: tuple[int, ...]
    demands: int
    """A bit for each level that is demanded of each word, and for those below it; none where it may lack."""
    promise: float
    expected: float
    """How many passages it selects if words occur independently of one another."""

    def holds(self, other: "_Combination") -> bool:
        """Whether it selects all that the other selects."""
        return not self.demands & ~other.demands


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
    found = [
        _combination(words, dict(zip(places, levels, strict=True)), passages)
        for size in range(1, len(words) + 1)
        for places in combinations(range(len(words)), size)
        # Three words at once are few passages already.
        for levels in product(range(len(LEAST) if size < WIDTH else 2), repeat=size)
    ]
    return sorted(found, key=lambda combination: -combination.promise)


def _combination(words: list[Word], levels: dict[int, int], passages: int) -> _Combination:
    chosen = [(words[place], level) for place, level in levels.items()]
    return _Combination(
        entries=tuple(lexicon.entry(word.term, level) for word, level in chosen),
        demands=sum((2 << level) - 1 << len(LEAST) * place for place, level in levels.items()),
        promise=sum(word.weight * LEAST[level] for word, level in chosen),
        expected=passages * prod(word.found[level] / passages for word, level in chosen),
    )


def _in_tiers(ordered: list[_Combination], budget: int) -> list[_Combination]:
    chosen: list[_Combination] = []
    for tier in TIERS:
        wider = _choose(ordered, tier * budget)
        chosen += [each for each in wider if not any(other.holds(each) for other in chosen)]
    return chosen


def _choose(ordered: Iterable[_Combination], budget: float) -> list[_Combination]:
    chosen: list[_Combination] = []
    expected = 0.0
    for combination in ordered:
        if any(other.holds(combination) for other in chosen):
            continue
        others = [other for other in chosen if not combination.holds(other)]
        wider = combination.expected + sum(other.expected for other in others)
        if wider > budget and expected >= TOO_FEW:
            break
        chosen, expected = [*others, combination], wider
    return chosen


def _filled(entries: tuple[int, ...]) -> tuple[int, ...]:
    return entries + entries[-1:] * (WIDTH - len(entries))
