"""Reads answers in which each sentence is followed by marks such as `[2: "exact words"]`. Pure."""

import re
import unicodedata
from dataclasses import dataclass

from mcp_rag.answering.writing import Writing
from mcp_rag.models import Claim, Quote, Wanted
from mcp_rag.ports import Brief

LONGEST_MARK = 2000
"""Characters. What opens like a mark and is not closed by then never will be."""

_OPENERS = "\"'“”„«»‚‘「『"
_CLOSERS = "\"'”“»«’‘」』"
_DOUBLE = '"“”„«»「『'
_HEAD = 40  # What opens like a mark has its number within so many characters.
_BARE = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
_NUMBERED = re.compile(r"\[\s*(\d{1,3})\s*[:：](?!\d)")  # [10:30] is a time.
_UNDECIDED = re.compile(r"\[[\d\s,;]*")
_QUOTED = re.compile(rf"\s*[{_OPENERS}]")
_END = re.compile(rf"(?<!\\)[{_CLOSERS}]\s*\]")
_END_UNQUOTED = re.compile(r"\]")
_NEXT = re.compile(rf"\[\s*\d{{1,3}}\s*[:：]\s*[{_OPENERS}]")
_AND = re.compile(rf"[{_CLOSERS}]\s*[,;]\s*(?:(\d{{1,3}})\s*[:：]\s*)?[{_OPENERS}]")
# An apostrophe ends no quote unless a bracket follows.
_END_UNCLOSED = re.compile(r"(?<!\\)[\"”“»«」』]")
_CLOSING = ".,;:!?…)]}。，；：！？"
_STOPS = ".!?…。！？"
_THOUGHT, _THOUGHT_END = "<think>", "</think>"


@dataclass(frozen=True)
class _Mark:
    length: int
    """Characters that it takes of the text; 0: it is no mark."""
    quotes: tuple[tuple[int, str], ...] = ()
    """Numbers of sources, from 1 on, with the words quoted."""


class Marked:
    """Takes an answer in pieces of any size; gives its sentences out as claims, without their marks.

    A sentence is given out once the next has begun, so that all its marks are known. A mark belongs to the
    sentence before it. One without words, or of a source that there is not, gives no quote. What a model
    thinks aloud first, as <think>, is left out.
    """

    def __init__(self, brief: Brief) -> None:
        self.writing = Writing(may_search=brief.may_search)
        self._sources = len(brief.evidence)
        self._unread = ""
        self._begun = False
        self._gap: str | None = None
        """The space before the mark that was just read."""

    def feed(self, text: str) -> list[Claim | Wanted]:
        self._unread += text
        if self._begins():
            self._read(final=False)
        return self.writing.claims()

    def end(self, *, cut: bool = False) -> list[Claim | Wanted]:
        """The rest. `cut`: the answer was cut off, and its last sentence is not to be trusted."""
        if self._begun or not self._unread.lstrip().startswith(_THOUGHT):
            self._read(final=True)
        return self.writing.end(cut=cut)

    def _begins(self) -> bool:
        """Whether the answer has begun; what was thought before it is dropped."""
        opening = self._unread.lstrip()
        if self._begun or not (opening.startswith(_THOUGHT) or _THOUGHT.startswith(opening)):
            self._begun = True
        elif _THOUGHT_END in opening:
            self._unread, self._begun = opening.partition(_THOUGHT_END)[2], True
        return self._begun

    def _read(self, *, final: bool) -> None:
        while self._unread:
            plain = self._unread.partition("[")[0]
            self._write(plain)
            self._unread = self._unread[len(plain) :]
            mark = self._mark(final) if self._unread else None
            if mark is None:
                return
            if mark.length:
                self._cite(mark)
            else:
                self._write(self._unread[0])
            self._unread = self._unread[mark.length or 1 :]

    def _write(self, text: str) -> None:
        if self._gap is not None:
            if self.writing.ends_with(_STOPS):
                text = text.lstrip(_STOPS)  # Some write a full stop before the mark, and another after it.
            if not text:
                return
            if not text[0].isspace() and text[0] not in _CLOSING:
                wide = unicodedata.east_asian_width(text[0]) in ("W", "F")
                self.writing.write(self._gap or ("" if wide else " "))
            self._gap = None
        self.writing.write(text)

    def _cite(self, mark: _Mark) -> None:
        self._gap = self.writing.strip() or self._gap or ""
        quotes = [
            Quote(source=number - 1, text=words)
            for number, words in mark.quotes
            if words and 0 < number <= self._sources
        ]
        self.writing.cite(self.writing.length - 1, quotes)

    def _mark(self, final: bool) -> _Mark | None:
        """The mark with which the unread text begins. None: what is still to come decides."""
        head = self._unread[:_HEAD]
        if numbered := _NUMBERED.match(head):
            return self._quoting(int(numbered[1]), numbered.end(), final)
        if bare := _BARE.match(head):
            numbers = [int(number) for number in re.split("[,;]", bare[1])]
            return _Mark(bare.end() if all(0 < number <= self._sources for number in numbers) else 0)
        if len(head) < _HEAD and _UNDECIDED.fullmatch(head):
            return _Mark(len(head)) if final else None
        return _Mark(0)

    def _quoting(self, number: int, start: int, final: bool) -> _Mark | None:
        text = self._unread[:LONGEST_MARK]
        quoted = _QUOTED.match(text, start)
        start = quoted.end() if quoted else start
        end = (_END if quoted else _END_UNQUOTED).search(text, start)
        following = _NEXT.search(text, start)
        if end and not (following and following.start() < end.start()):
            return _Mark(end.end(), _quotes(number, text[start : end.start()]))
        if following or final or len(text) == LONGEST_MARK:
            return _unclosed(number, start, text[: following.start()] if following else text)
        return None


def _quotes(number: int, words: str) -> tuple[tuple[int, str], ...]:
    """The words of a mark as quotes: `1: "a", "b"; 2: "c"` are three."""
    first, *others = _AND.split(words)
    quotes = [(number, _unescaped(first))]
    for named, quote in zip(others[::2], others[1::2], strict=True):
        number = int(named) if named else number
        quotes.append((number, _unescaped(quote)))
    return tuple(quotes)


def _unclosed(number: int, start: int, text: str) -> _Mark:
    """A mark that is not closed within the text: it is over after its quote, or with its line."""
    if text[start - 1] in _DOUBLE and (end := _END_UNCLOSED.search(text, start)):
        return _Mark(end.end(), ((number, _unescaped(text[start : end.start()])),))
    line = text.find("\n", start)
    return _Mark(line if line >= 0 else len(text))


def _unescaped(words: str) -> str:
    return words.replace('\\"', '"').strip()
