"""What a question says besides its words: whom it names and which time it speaks of. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mcp_rag import dates, languages, lexicon, names
from mcp_rag.dates import Period
from mcp_rag.lexicon import Asked


@dataclass(frozen=True)
class Question:
    """A question as the legs and the ranking take it."""

    text: str
    about: str
    """The text without the people it names, which is what is embedded. A name draws a vector to the messages
    that address its bearer, and those are the other's."""
    terms: Mapping[int, Asked]
    speakers: frozenset[str]
    """Who may be the one person that it names, in small letters. Empty where it names nobody, or several."""
    periods: Sequence[Period]


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
    ordinary = frozenset[str]().union(*map(languages.function_words, spoken or ("en",)))
    named = names.known(text, people, ordinary)
    persons = {frozenset(people[mention.name]) for mention in named}
    return Question(
        text=text,
        about=names.without(text, named),
        terms=lexicon.query_terms(text, tenant_id=tenant_id, spoken=spoken or ("en",)),
        speakers=persons.pop() if len(persons) == 1 else frozenset(),
        periods=dates.periods(text, now),
    )
