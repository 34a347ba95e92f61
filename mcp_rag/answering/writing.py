"""Text as a model writes it, made into claims sentence by sentence. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mcp_rag import passages
from mcp_rag.models import Claim, Quote, Wanted

_NOTHING = re.compile(r"[\W_]*+NO ANSWER\b")
_SEARCH = re.compile(r"[\W_]*+SEARCH[*_]*:\s*+")
# What `passages.sentences` reads of the next sentence, in characters, before an end is an end for good.
_SIGHT = 16


@dataclass(frozen=True)
class _Cited:
    """A stretch of the text, in characters from its start, and the quotes it stands on."""

    start: int
    stop: int
    quotes: tuple[Quote, ...]


class Writing:
    """Takes text in pieces of any size, and quotes for stretches of it; gives it out as claims.

    What is given out is the same however the text is split. NO ANSWER ends it, and gives nothing. So does
    `SEARCH: question`, which gives `Wanted` if that `may_search` and nothing was claimed before.
    """

    def __init__(self, *, may_search: bool) -> None:
        self.gave = False
        """Whether a claim or a search was given out."""
        self.over = False
        """Whether the model has said that this is all, or nothing."""
        self._may_search = may_search
        self._text = ""
        self._given = 0
        self._cited: list[_Cited] = []

    @property
    def length(self) -> int:
        """The characters written so far."""
        return self._given + len(self._text)

    def ends_with(self, characters: str) -> bool:
        """Whether the last character that was written is one of these."""
        return self._text.endswith(tuple(characters))

    def write(self, text: str) -> None:
        self._text += text

    def strip(self) -> str:
        """Take back the space at the end."""
        words = self._text.rstrip()
        space, self._text = self._text[len(words) :], words
        return space

    def cite(self, start: int, quotes: Iterable[Quote]) -> None:
        """What was written from `start` on stands on these quotes."""
        self._cited.append(_Cited(start, self._given + len(self._text.rstrip()), tuple(quotes)))

    def claims(self, until: int | None = None) -> list[Claim | Wanted]:
        """The sentences that are complete. Quotes may still come for what was written from `until` on."""
        return list(self._drain(self.length if until is None else until, final=False))

    def end(self, *, cut: bool = False) -> list[Claim | Wanted]:
        """The rest, once nothing more comes; without the last sentence if the text was cut off."""
        last = self._given + len(self._text.rstrip())
        return list(self._drain(last - 1 if cut else last, final=True))

    def _drain(self, until: int, *, final: bool) -> Iterator[Claim | Wanted]:
        while not self.over and (stop := self._stop(final)) is not None and self._given + stop <= until:
            piece = self._take(stop)
            if piece is not None:
                self.gave = True
                yield piece

    def _stop(self, final: bool) -> int | None:
        """Where the first sentence ends, once that is certain."""
        text = self._text.rstrip()
        if search := _SEARCH.match(text):
            line = text.find("\n", search.end())
            return line if line >= 0 else len(text) if final else None
        spans = passages.sentences(text)
        if len(spans) > 1 and (final or len(text) - spans[1][0] >= _SIGHT):
            return spans[0][1]
        return spans[0][1] if final and spans else None

    def _take(self, stop: int) -> Claim | Wanted | None:
        words, self._text = self._text[:stop], self._text[stop:]
        self._given += stop
        quotes = [quote for cited in self._cited if cited.start < self._given for quote in cited.quotes]
        self._cited = [cited for cited in self._cited if cited.stop > self._given]
        if _NOTHING.match(words):
            self.over = True
        elif search := _SEARCH.match(words):
            self.over = True
            return self._wanted(words[search.end() :])
        elif any(character.isalnum() for character in words):
            return Claim(text=words, quotes=tuple(dict.fromkeys(quotes)))
        return None

    def _wanted(self, question: str) -> Wanted | None:
        question = question.strip(' \t*_`"“”«»')
        return Wanted(question=question) if question and self._may_search and not self.gave else None
