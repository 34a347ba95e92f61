"""What a question says besides its words: whom it names, which time it speaks of, its parts. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mcp_rag import dates, decomposition, languages, lexicon, names
from mcp_rag.dates import Period, Relation
from mcp_rag.lexicon import Asked
from mcp_rag.names import Mention

FIRST_OF_SEVERAL = 0.5
"""The share of a speaker's bonus that the first of several persons gives: with all of it no more is found."""

EVENTS = 1
"""Events that are looked up, each by a search of its own."""

_WORD = re.compile(r"\w")
_TOGETHER = re.compile(r"(?:,|&|/|\+|and|or|with|y|et|und|e|og|och|en)?", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """A question as the legs and the ranking take it."""

    text: str
    about: str
    """The text without the people it names, which is what is embedded. A name draws a vector to the messages
    that address its bearer, and those are the other's."""
    terms: Mapping[int, Asked]
    spoken: Collection[str]
    """The languages of the store, in whose forms the words are looked for."""
    speakers: Mapping[str, float]
    """Whose messages are asked for, in small letters, and how surely: 1 for the one person that is named,
    less for the first of several. Empty where nobody is named, or several side by side."""
    called: Collection[str]
    """What they are called, in the question or as speakers, in small letters."""
    periods: Sequence[Period]
    asks_when: bool
    """Its answer is a day, a month or a year."""
    parts: Sequence[str] = ()
    """Where it names two things, a question for each."""
    events: Sequence[Relation] = ()
    """What it dates itself by without a date ("before the move")."""

    @property
    def times(self) -> tuple[str, ...]:
        """The times it speaks of, each with the days that it means."""
        return tuple(_meant(self.text, period) for period in self.periods)


def _meant(text: str, period: Period) -> str:
    said = text[slice(*period.span)]
    since = f"from {period.start:%Y-%m-%d}" if period.start else ""
    until = f"before {period.end:%Y-%m-%d}" if period.end else ""
    meant = " and ".join(filter(None, (since, until)))
    return f"{said}: {meant}" if said else meant


def possible_names(text: str) -> set[str]:
    """What might be a name in a question: to be looked up among the speakers' names."""
    return {mention.name for mention in names.mentions(text)}


def understand(
    text: str,
    *,
    people: Mapping[str, Collection[str]],
    spoken: Collection[str],
    now: datetime,
    tenant_id: int,
) -> Question:
    """Read a question, given who answers to the names in it and which languages the store has."""
    spoken = spoken or ("en",)
    periods = dates.periods(text, now)
    ordinary = frozenset[str]().union(*map(languages.function_words, spoken))
    # "In May" names nobody, whoever is called May.
    named = [
        mention
        for mention in names.known(text, people, ordinary)
        if not any(start <= mention.start < stop for start, stop in (period.span for period in periods))
    ]
    speakers = _subject(text, named, people)
    meant = {mention.name.casefold() for mention in named if speakers.keys() & set(people[mention.name])}
    return Question(
        text=text,
        about=names.without(text, named),
        terms=lexicon.query_terms(_without_open(text, periods), tenant_id=tenant_id, spoken=spoken),
        spoken=spoken,
        speakers=speakers,
        called=speakers.keys() | meant,
        periods=periods,
        asks_when=dates.asks_when(text),
        parts=decomposition.parts(text),
        events=dates.relations(text)[:EVENTS],
    )


def _without_open(text: str, periods: Sequence[Period]) -> str:
    """The text without the times that only bound it: messages from before 2026 do not say "2026"."""
    rest = text
    for start, stop in sorted((p.span for p in periods if p.grain == "open"), reverse=True):
        rest = rest[:start] + rest[stop:]
    return rest if _WORD.search(rest) else text


def _subject(text: str, named: Sequence[Mention], people: Mapping[str, Collection[str]]) -> dict[str, float]:
    """Whose messages are asked for: "What did Ana say about Ben's plan?" is about what Ana said."""
    persons = [frozenset(people[mention.name]) for mention in named]
    if not persons:
        return {}
    # "Anna Berg" where there is another Anna: who answers to all of the names.
    if same := frozenset.intersection(*persons):
        return dict.fromkeys(same, 1.0)
    if _TOGETHER.fullmatch(text[named[0].stop : named[1].start].strip()):
        return {}
    return dict.fromkeys(persons[0], FIRST_OF_SEVERAL)
