"""What a model claims, held against what is stored: quotes letter for letter, links, characters. Pure.

A quote is looked for in the text that the model was given. What is then cited is the stored text at that
place, widened to whole sentences, so that no quote says less than the sentence it is torn from.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from mcp_rag.models import Citation, Claim, Delta, Evidence, Quote

LONGEST = 600
"""Characters of a quote that is widened. One that was longer by itself stays as it is."""
SUBSTANCE = 8
"""Letters that a quote must have, unless it is most of its sentence; a wide one counts for three."""

_WIDE = frozenset("WF")
_SPELLED = {
    character: f"[{re.escape(marks)}]" for marks in ("'’‘ʼ`", '"“”„«»', "-‐‑‒–—−") for character in marks
}
_UNSEEN = re.compile(r"[\u200b\u2060\ufeff\u00ad\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_JOINERS = re.compile(r"[\u200c\u200d]")
_MARK = re.compile(r"\[(\d+)\]")
_IDEOGRAPHIC_DOT = re.compile(r"(?<=[a-z0-9])[。｡](?=[a-z]{2})", re.IGNORECASE)
_NOT_OF_A_LINK = re.compile(r"^\s+|[^\w/]+$")
_LINK = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s<>\"'“”‘’«»)\]]+"
    r"|\b(?:mailto|javascript|vbscript|data|file|tel|sms):[^\s)\]]+"
    r"|\]\(\s*[^\s)]*|<[a-z!/][^<>]*>?"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w@])(?:[\w-]+\.)+(?-i:[a-z]{2,24}|[A-Z]{2,24})\b(?:[/:?#][^\s)\]]*)?",
    re.IGNORECASE,
)


@dataclass
class Draft:
    """An answer while it is written: what stands on verified quotes, and how much did not."""

    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    left_out: int = 0
    """Sentences that stood on nothing which could be verified."""

    def take(
        self, claim: Claim, quotes: Sequence[Quote], evidence: Sequence[Evidence]
    ) -> list[Delta | Citation]:
        """Add a sentence with its verified quotes; gives what is new of the answer."""
        known = {(citation.uri, citation.quote): citation for citation in self.citations}
        cited, fresh = [], []
        for quote in quotes:
            hit = evidence[quote.source].hit
            if (hit.url, quote.text) not in known:
                known[hit.url, quote.text] = _citation(len(known) + 1, quote, evidence)
                fresh.append(known[hit.url, quote.text])
            cited.append(known[hit.url, quote.text].n)
        self.citations += fresh
        words = clean(claim.text) if self.text else clean(claim.text).lstrip()
        marks = "".join(f"[{n}]" for n in sorted(set(cited)))
        delta = Delta(text=f"{words.rstrip()} {marks}")
        self.text += delta.text
        return [delta, *fresh]


def ground(claim: Claim, given: Sequence[Evidence], stored: Sequence[Evidence]) -> list[Quote]:
    """The claim's quotes as they are stored; none if one is found nowhere.

    None either if the claim has a link that is in no message it cites. `given` is what the model read,
    `stored` the same as it is stored: other letters at most, at the same places. A quote that stands in
    another source than the one it was said to is cited from there.
    """
    found = [_found(quote, given, stored) for quote in claim.quotes]
    quotes = [quote for quote in found if quote is not None]
    known = _links_of([stored[quote.source] for quote in quotes])
    whole = len(quotes) == len(found) and any(character.isalnum() for character in claim.text)
    return quotes if whole and links(claim.text) <= known else []


def clean(text: str) -> str:
    """The text without characters that do not show or that turn the line, and without marks of its own."""
    shown = "".join(c for c in _UNSEEN.sub("", text) if c in "\n\t" or unicodedata.category(c) != "Cc")
    return _MARK.sub(r"(\1)", shown)


def links(text: str) -> set[str]:
    """What a reader's program might make a link of."""
    text = _JOINERS.sub("", _UNSEEN.sub("", unicodedata.normalize("NFKC", text)))
    found = _LINK.findall(_IDEOGRAPHIC_DOT.sub(".", text))
    return {_NOT_OF_A_LINK.sub("", link.removeprefix("](")).casefold() for link in found} - {""}


def _links_of(evidence: Sequence[Evidence]) -> set[str]:
    return {link for item in evidence for link in links(f"{item.hit.url} {item.hit.title}\n{item.text}")}


def _found(quote: Quote, given: Sequence[Evidence], stored: Sequence[Evidence]) -> Quote | None:
    said = [quote.source] if 0 <= quote.source < len(given) else []
    for source in (*said, *(n for n in range(len(given)) if n not in said)):
        if span := located(quote.text, given[source].text):
            start, stop = _widened(span, given[source].sentences)
            return Quote(source=source, text=stored[source].text[start:stop].strip())
    return None


def located(quote: str, text: str) -> tuple[int, int] | None:
    """Where the quote stands in the text, whatever the space between words and the form of dashes and quotes.

    Not where it is too short to say anything, unless it is most of its sentence.
    """
    words = quote.split()
    if not any(character.isalnum() for character in quote):
        return None
    match = re.search(r"\s+".join(map(_spelled, words)), text)
    if match is None:
        return None
    if _substance(quote) < SUBSTANCE and 2 * _substance(quote) < _substance(_sentence_around(text, match)):
        return None
    return match.span()


def _spelled(word: str) -> str:
    """A pattern for the word in any of the ways that its marks are set in type."""
    return "".join(_SPELLED.get(character) or re.escape(character) for character in word)


def _sentence_around(text: str, match: re.Match[str]) -> str:
    before = max(text.rfind(mark, 0, match.start()) for mark in ".!?\n。！？")
    after = [place for mark in ".!?\n。！？" if (place := text.find(mark, match.end())) >= 0]
    return text[before + 1 : min(after, default=len(text))]


def _substance(text: str) -> int:
    return sum(3 if unicodedata.east_asian_width(c) in _WIDE else 1 for c in text if c.isalnum())


def _widened(span: tuple[int, int], sentences: Sequence[str]) -> tuple[int, int]:
    """The whole sentences that the span is in, if they are not too long."""
    start = stop = 0
    first: int | None = None
    for sentence in sentences:
        begin, stop = stop, stop + len(sentence)
        if first is None and stop > span[0]:
            first = begin
        if stop >= span[1]:
            break
    start = span[0] if first is None else first
    return (start, stop) if stop - start <= LONGEST else span


def _citation(n: int, quote: Quote, evidence: Sequence[Evidence]) -> Citation:
    hit = evidence[quote.source].hit
    return Citation(
        n=n,
        uri=hit.url,
        quote=quote.text,
        title=hit.title,
        speaker=hit.speaker,
        date=hit.date,
        verified=True,
    )
