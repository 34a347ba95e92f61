"""The people of a conversation, by the names that it gives them, and where a question names one. Pure.

A speaker answers to the whole name, to each word of it that the conversation writes only as a name ("Project
Manager" does not answer to "project"), and to short forms that it uses ("Mel" for Melanie). Nothing is known
beforehand: no list of names, no table of nicknames.

Names are kept in small letters and without accents. One that the conversation has as another word too ("mark
the date", where Mark speaks) is kept with a capital, and found by one only.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

ROLES = frozenset({"user", "assistant", "system", "human", "ai", "tool", "function", "bot", "developer"})
"""Speakers that are no persons: what exports call the two sides of a chat."""
LONGEST_NAME = 5
"""Words of a name that a question is searched for together: "Anna van der Berg" has four."""
LONGEST_UNSPACED = 6
"""Characters of a name in a script that puts no spaces between words; at least two."""
SHORTEST_FORM = 3
"""Letters of a short form: "Jo" would be found in too many words."""
RARELY = 0.05
"""A word is a name if it is written in small letters in less than this share of its uses."""

# With the accents, points and vowel signs that are characters of their own.
_LETTER = (
    r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0971-\u0df3"
    r"\u0e00-\u0e4e\u0e80-\u0ece\u1000-\u109f\u1780-\u17d3])"
)
_WORD = re.compile(rf"{_LETTER}+")
_NAMED = re.compile(rf"{_LETTER}+(?:['’]{_LETTER}{{2,}})*")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003134f]+"
)
_POSSESSIVE = re.compile(r"['’]s?(?!\w)")
_OF_SOMEBODY = "about|of|with|for|to|from|by|at|and|saw|met|told|asked|called|visited|helped"
_SPACES = re.compile(r"\s+")
_BEFORE_MARK = re.compile(r"\s+([?.,!;:])")


@dataclass(frozen=True)
class Mention:
    """A name in a text, `text[start:stop]` with its possessive, and how it is kept."""

    name: str
    start: int
    stop: int


def aliases(messages: Iterable[tuple[str | None, str]]) -> dict[str, set[str]]:
    """What the speakers of (speaker, text) messages answer to: name to speakers, these in small letters."""
    messages = list(messages)
    speakers = {speaker for speaker, _ in messages if speaker and _kept(speaker) not in ROLES}
    capital, small = _spelling(text for _, text in messages)
    found: dict[str, set[str]] = {}
    for speaker in speakers:
        words = _kept(speaker).split()
        for name in (*_told_apart(words, small), " ".join(words)):
            ordinary = speaker[0].isupper() and small[name] > RARELY * capital[name]
            if name:
                found.setdefault(_capital(name) if ordinary else name, set()).add(speaker.casefold())
    for form, speaker in _short_forms(speakers, capital, small):
        found.setdefault(form, set()).add(speaker)
    return found


def mentions(text: str) -> list[Mention]:
    """Every run of a few words that may be a name, the longest first at each place."""
    words = list(_NAMED.finditer(text))
    found = []
    for place, first in enumerate(words):
        for last in reversed(words[place : place + LONGEST_NAME]):
            possessive = _POSSESSIVE.match(text, last.end())
            stop = possessive.end() if possessive else last.end()
            name = _kept(text[first.start() : last.end()])
            found.append(Mention(name, first.start(), stop))
            if text[first.start()].isupper():
                found.append(Mention(_capital(name), first.start(), stop))
    return sorted([*found, *_unspaced(text)], key=lambda mention: (mention.start, -mention.stop))


def known(text: str, people: Mapping[str, Collection[str]], ordinary: Collection[str] = ()) -> list[Mention]:
    """The mentions of people, none inside another. An `ordinary` word is a name only with a capital.

    One with which the text begins tells nothing.
    """
    found: list[Mention] = []
    for mention in mentions(text):
        if mention.name not in people or (found and mention.start < found[-1].stop):
            continue
        told = text[mention.start].isupper() and mention.start > 0
        if not told and (mention.name in ordinary or mention.name[0].isupper()):
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


def speaks_of(text: str, names: Collection[str]) -> bool:
    """Whether it speaks of somebody by one of these names: "Ana's doctor", "I saw Ana.", not "Hi Ana!"."""
    low = _folded(text)
    return any(name in low and _spoken_of(name).search(low) for name in map(_folded, names))


@lru_cache(maxsize=1_000)
def _spoken_of(name: str) -> re.Pattern[str]:
    """The name after a word that speaks of its bearer, or with no mark behind it, which an address has."""
    if _UNSPACED.search(name):
        return re.compile(re.escape(name))
    alone = rf"(?<!{_LETTER}){re.escape(name)}(?!{_LETTER})"
    return re.compile(rf"\b(?:{_OF_SOMEBODY})\s{alone}|{alone}(?!\s*(?:[^\w\s'’]|\Z))")


def _spelling(texts: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """How often each word stands with a capital, and how often in small letters."""
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for text in texts:
        for word in _WORD.findall(text):
            (small if word.islower() else capital)[_kept(word)] += 1
    return capital, small


def _short_forms(
    speakers: Collection[str], capital: Counter[str], small: Counter[str]
) -> Iterable[tuple[str, str]]:
    """Words that begin one speaker's name, and no other's, and are written as names."""
    names = {(word, speaker.casefold()) for speaker in speakers for word in _kept(speaker).split()}
    full = {name for name, _ in names}
    for form, times in capital.items():
        if len(form) < SHORTEST_FORM or form in full or times < 2 or small[form] > RARELY * times:
            continue
        meant = {speaker for name, speaker in names if name.startswith(form)}
        if len(meant) == 1:
            yield form, meant.pop()


def _told_apart(words: Sequence[str], small: Counter[str]) -> list[str]:
    """The words of a name that can stand for the whole."""
    if len(words) == 1:
        return []
    return [word for word in words if (len(word) > 2 or _UNSPACED.fullmatch(word)) and not small[word]]


def _unspaced(text: str) -> Iterator[Mention]:
    """Where no space parts a name from what is said of it, any part of a run may be one."""
    for run in _UNSPACED.finditer(text):
        for start in range(run.start(), run.end() - 1):
            for stop in range(min(run.end(), start + LONGEST_UNSPACED), start + 1, -1):
                yield Mention(_kept(text[start:stop]), start, stop)


def _kept(name: str) -> str:
    """In small letters, single spaces between words, without the accents and points that may be left out."""
    return _folded(" ".join(_WORD.findall(name.casefold())))


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    # Classes up to 9 belong to their letters: the marks of kana, the vowel signs of Indic scripts.
    return unicodedata.normalize("NFC", "".join(c for c in parts if unicodedata.combining(c) <= 9))


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
