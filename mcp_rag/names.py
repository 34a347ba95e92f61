"""The people of a conversation, by the names that it gives them, and where a question names one. Pure.

A speaker answers to the whole name, to each word of it that the conversation writes only as a name ("Project
Manager" does not answer to "project"), and to short forms that it uses ("Mel" for Melanie). Nothing is known
beforehand: no list of names, no table of nicknames.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

ROLES = frozenset({"user", "assistant", "system", "human", "ai", "tool", "function", "bot", "developer"})
"""Speakers that are no persons: what exports call the two sides of a chat."""
LONGEST_NAME = 3
"""Words of a name that a question is searched for together."""
SHORTEST_FORM = 3
"""Letters of a short form: "Jo" would be found in too many words."""
RARELY = 0.05
"""A word is a name if it is written in small letters in less than this share of its uses."""

_WORD = re.compile(r"[^\W\d_]+")
_NAMED = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]{2,})*")
_POSSESSIVE = re.compile(r"['’]s?(?!\w)")
_SPACES = re.compile(r"\s+")
_BEFORE_MARK = re.compile(r"\s+([?.,!;:])")


@dataclass(frozen=True)
class Mention:
    """A name in a text, `text[start:stop]` with its possessive, and how it is kept."""

    name: str
    start: int
    stop: int


def aliases(messages: Iterable[tuple[str | None, str]]) -> dict[str, set[str]]:
    """What the speakers of (speaker, text) messages answer to, all in small letters: name to speakers."""
    messages = list(messages)
    speakers = {speaker for speaker, _ in messages if speaker and speaker.casefold() not in ROLES}
    capital, small = _spelling(text for _, text in messages)
    found: dict[str, set[str]] = {}
    for speaker in speakers:
        words = [word.casefold() for word in _WORD.findall(speaker)]
        told_apart = [w for w in words if len(words) == 1 or (len(w) > 2 and not small[w])]
        for name in (*told_apart, " ".join(words)):
            if name:
                found.setdefault(name, set()).add(speaker.casefold())
    for form, speaker in _short_forms(speakers, capital, small):
        found.setdefault(form, set()).add(speaker)
    return found


def mentions(text: str) -> list[Mention]:
    """Every run of one to three words that may be a name, the longest first at each place."""
    words = list(_NAMED.finditer(text))
    found = []
    for place, first in enumerate(words):
        for last in reversed(words[place : place + LONGEST_NAME]):
            possessive = _POSSESSIVE.match(text, last.end())
            stop = possessive.end() if possessive else last.end()
            found.append(Mention(_kept(text[first.start() : last.end()]), first.start(), stop))
    return found


def known(text: str, people: Mapping[str, Collection[str]], ordinary: Collection[str] = ()) -> list[Mention]:
    """The mentions of people, none inside another. An `ordinary` word is a name only with a capital."""
    found: list[Mention] = []
    for mention in mentions(text):
        if mention.name not in people or (found and mention.start < found[-1].stop):
            continue
        if mention.name in ordinary and (not text[mention.start].isupper() or mention.start == 0):
            continue
        found.append(mention)
    return found


def without(text: str, named: Sequence[Mention]) -> str:
    """The text with the mentions taken out, or as it is if nothing else is in it."""
    kept, end = [], 0
    for mention in named:
        kept.append(text[end : mention.start])
        end = mention.stop
    rest = _BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", "".join([*kept, text[end:]]))).strip()
    return rest if _WORD.search(rest) else text


def _spelling(texts: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """How often each word stands with a capital, and how often in small letters."""
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for text in texts:
        for word in _WORD.findall(text):
            (small if word.islower() else capital)[word.casefold()] += 1
    return capital, small


def _short_forms(
    speakers: Collection[str], capital: Counter[str], small: Counter[str]
) -> Iterable[tuple[str, str]]:
    """Words that begin one speaker's name, and no other's, and are written as names."""
    names = {(word.casefold(), speaker.casefold()) for speaker in speakers for word in _WORD.findall(speaker)}
    full = {name for name, _ in names}
    for form, times in capital.items():
        if len(form) < SHORTEST_FORM or form in full or times < 2 or small[form] > RARELY * times:
            continue
        meant = {speaker for name, speaker in names if name.startswith(form)}
        if len(meant) == 1:
            yield form, meant.pop()


def _kept(name: str) -> str:
    return " ".join(_WORD.findall(name.casefold()))
