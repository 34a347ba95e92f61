"""Where a text is cut: messages into passages, passages into sentences, documents into sections."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from zlib import crc32

from mcp_rag.models import Passage

_Joints = Callable[[str, int, int], list[int]]
"""Where a text may be cut inside of a span."""

_CLOSERS = r"""["'”’»)\]}」』】）》*_`]*+"""
_OPENERS = """([{"'“„«*_`"""
_SENTENCE_END = re.compile(
    rf"(?P<wide>[。！？｡।॥؟۔։።]++{_CLOSERS})"
    rf"|(?P<narrow>(?<![.!?…])[.!?…]++{_CLOSERS}(?=\s|\Z|[\u3040-\u30ff\u3400-\u9fff]))"
    r"|(?P<line>\n\s*+)"
)
_SIGHT = 64  # How far beyond its window a search for the end of a sentence looks.


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER_LAST = _set(
    "mr mrs ms mx dr prof st sra dra mme mlle hr fr gen gov sen rep rev capt vs e.g i.e cf viz approx"
    " ca bzw z.b d.h u.a s.o s.u o.ä i.d.r evtl ggf inkl exkl zzgl einschl vgl sog tel resp incl excl p.ex"
)
_LAST_UNLESS_NUMBER_FOLLOWS = _set(
    "no nos nr núm num n.º p pp pg fig figs eq sec vol ch art abs bd min max tab"
    " jan feb mar apr jun jul aug sep sept oct okt nov dec dez mon tue wed thu fri sat sun"
)
_LAST_BEFORE_CAPITAL = _set("etc usw inc ltd co corp gmbh jr sr bros al a.m p.m am pm dept est ed eds ud uds")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_ORDINAL = re.compile(
    r"\b(?:am|im|vom|zum|zur|der|die|das|den|dem|des|bis|ab|beim|und)\s+\d{1,2}\Z", re.IGNORECASE
)
_ITEM = re.compile(r"(?:\w{1,2}[.)]|[-*+•–]|\w+:)\s")

_NONSPACE = re.compile(r"\S")
_SPACE = re.compile(r"\s")
_WORD_START = re.compile(r"(?<=\s)\S")
_LINE_START = re.compile(r"\n")
_GAP = re.compile(r"\n(?:[^\S\n]*+\n)++")
_MARKDOWN = re.compile(
    r"(?P<front>\A---[ \t]*\r?\n(?:[^\n]*+\n)*?---[ \t]*\r?$)"
    r"|(?P<fence>^[ ]{0,3}(?P<tick>`{3,}(?=[^`\n]*$)|~{3,})(?s:.*?)(?:^[ ]{0,3}(?P=tick)[`~]*[ \t]*\r?$|\Z))"
    r"|(?P<heading>^[ ]{0,3}#{1,6}(?:[ \t][^\n]*+|\r?$)"
    r"|(?:(?<=\n\n)|(?<=\n\r\n)|\A)[ ]{0,3}[^\s#>|`~-][^\n]*+\n[ ]{0,3}(?:={3,}|-{3,})[ \t]*\r?$)"
    r"|(?P<gap>\n(?:[^\S\n]*+\n)++)",
    re.MULTILINE,
)


def cut(text: str, *, size: int = 900, overlap: int = 150) -> list[Passage]:
    """Overlapping passages of about `size` characters that together hold every word of the text.

    A passage ends at the best place in its second half (paragraph, line, sentence, word); the last one may
    be longer by a third, so that no tiny one is left over. `overlap` is at most a quarter of `size`.
    """
    overlap = min(overlap, size // 4)
    end = len(text.rstrip())
    start = _next_nonspace(text, 0)
    passages = []
    while start < end:
        whole = end - start <= size * 13 // 10
        stop = end if whole else _last_joint(text, start + max(1, size // 2), start + size)
        words = text[start:stop].rstrip()
        passages.append(Passage(start=start, stop=start + len(words), text=words))
        start = end if whole else _resume(text, start, stop, overlap, size)
    return passages


def sentences(text: str) -> list[tuple[int, int]]:
    """Each sentence as (start, stop), without the space around it; a list item or a line of code is one."""
    found = []
    for start, stop in pairwise([0, *_sentence_ends(text, 0, len(text)), len(text)]):
        words = text[start:stop].strip()
        if words:
            start = _next_nonspace(text, start)
            found.append((start, start + len(words)))
    return found


def sections(text: str, *, size: int = 2000) -> list[str]:
    """Consecutive parts of a document, at most about `size` characters each, that join to exactly the text.

    A Markdown heading starts a section. Within a heading's text a cut is chosen by the words that follow it,
    not by counting from the start, so that an edit in one section seldom changes another.
    """
    chapters, gaps = _outline(text)
    starts = [
        start
        for chapter in pairwise([*chapters, len(text)])
        for start, _ in _divide(
            text, *chapter, size, [partial(_inside, gaps), _lines, _sentence_starts, _words]
        )
    ]
    filled = [start for start, stop in pairwise([*starts, len(text)]) if not text[start:stop].isspace()]
    return [text[start:stop] for start, stop in pairwise([0, *filled[1:], len(text)]) if stop > start]


def _next_nonspace(text: str, position: int) -> int:
    found = _NONSPACE.search(text, position)
    return found.start() if found else len(text)


def _last_joint(text: str, low: int, high: int) -> int:
    for pattern in (_GAP, _LINE_START):
        joints = [match.start() for match in pattern.finditer(text, low, high + 1)]
        if joints:
            return joints[-1]
    ends = list(_sentence_ends(text, low, high))
    spaces = ends or [match.start() for match in _SPACE.finditer(text, low, high + 1)]
    return spaces[-1] if spaces else _between_characters(text, low, high)


def _resume(text: str, start: int, stop: int, overlap: int, size: int) -> int:
    """Where the passage after `text[start:stop]` begins."""
    unread = _next_nonspace(text, stop)
    shared = _overlap(text, start, stop, overlap)
    # An overlap that leaves no room for what is new is none.
    return shared if unread - shared < size // 2 else unread


def _overlap(text: str, start: int, stop: int, overlap: int) -> int:
    low = stop - overlap
    for end in _sentence_ends(text, low, stop):
        sentence = _next_nonspace(text, end)
        if sentence < stop:
            return sentence
    word = _WORD_START.search(text, low, stop)
    if word:
        return word.start()
    unbroken = _SPACE.search(text, low, stop) is None
    return _next_nonspace(text, _between_characters(text, start, low) if unbroken else stop)


def _between_characters(text: str, low: int, high: int) -> int:
    """The last position up to `high` that parts no letter from its marks and no emoji from its parts."""
    for position in range(high, max(low, high - 16), -1):
        joined = text[position - 1 : position] == "\u200d" or text[position : position + 1] == "\u200d"
        if not joined and unicodedata.category(text[position : position + 1] or "a")[0] != "M":
            return position
    return high


def _sentence_ends(text: str, low: int, high: int) -> Iterator[int]:
    """Positions up to `high` at which a sentence that runs beyond `low` is over."""
    for match in _SENTENCE_END.finditer(text, low, min(len(text), high + _SIGHT)):
        if match.end() > high:
            return
        if _is_end(text, match):
            yield match.end()


def _is_end(text: str, match: re.Match[str]) -> bool:
    if match.lastgroup == "line":
        return _is_line_end(text, match)
    if match.lastgroup == "wide":
        return True
    mark = match.group()
    following = text[match.end() : match.end() + 16].lstrip()[:1]
    if mark[-1] not in ".!?…" and following.islower():
        return False
    if "!" in mark or "?" in mark:
        return True
    if following and not text[match.end()].isspace():
        return False
    if mark[0] == "…" or mark.startswith(".."):
        return not following.islower()
    return _is_full_stop(text[max(0, match.start() - 24) : match.start()], following)


def _is_full_stop(before: str, following: str) -> bool:
    """Whether a single period after `before` ends a sentence, rather than an abbreviation or a number."""
    word = "" if before[-1:].isspace() else (before.split() or [""])[-1].lstrip(_OPENERS)
    name = word.lower()
    if name in _NEVER_LAST or (_DOTTED.fullmatch(word) and name not in _LAST_BEFORE_CAPITAL):
        return False
    if name in _LAST_BEFORE_CAPITAL:
        return not (following.islower() or following.isdigit())
    if name in _LAST_UNLESS_NUMBER_FOLLOWS:
        return not following.isdigit()
    return len(word) > 2 or not word.isalnum() or _is_last_though_short(before, word, following)


def _is_last_though_short(before: str, word: str, following: str) -> bool:
    """Whether one or two letters or digits are a word, not the number of an item, a day or an initial."""
    opens_line = not before[: -len(word)].rpartition("\n")[2].strip(" \t#>*-")
    if word.isdigit():
        return not (opens_line or following.islower() or _ORDINAL.search(before))
    return len(word) == 2 or not (opens_line or (word.isupper() and word != "I"))


def _is_line_end(text: str, match: re.Match[str]) -> bool:
    """Whether a line break ends a sentence, rather than being where an editor wrapped it."""
    if match.group().count("\n") > 1 or len(match.group().expandtabs(4)) > 4:
        return True
    line = text[max(0, match.start() - 121) : match.start()].rpartition("\n")[2].rstrip()
    following = text[match.end() : match.end() + 16]
    wrapped = 40 <= len(line) <= 120 and line[0] not in "#|" and (following[:1].islower() or line[-1] == ",")
    return not wrapped or _ITEM.match(following) is not None


def _outline(text: str) -> tuple[list[int], list[int]]:
    """Where the headings' texts begin, and where paragraphs outside of fenced code do."""
    chapters, gaps, last_heading = [0], [], 0
    for match in _MARKDOWN.finditer(text):
        if match["gap"]:
            gaps.append(match.end())
        elif match["heading"] or match["front"]:
            # Front matter, and a heading without a text of its own, stay with the heading below.
            if text[last_heading : match.start()].strip():
                chapters.append(match.start())
            last_heading = match.end()
    return chapters, gaps


def _inside(joints: list[int], _text: str, start: int, stop: int) -> list[int]:
    return joints[bisect_right(joints, start) : bisect_left(joints, stop)]


def _lines(text: str, start: int, stop: int) -> list[int]:
    return [match.end() for match in _LINE_START.finditer(text, start, stop - 1)]


def _sentence_starts(text: str, start: int, stop: int) -> list[int]:
    starts = {_next_nonspace(text, end) for end in _sentence_ends(text, start, stop - 1)}
    return sorted(position for position in starts if position < stop)


def _words(text: str, start: int, stop: int) -> list[int]:
    return [match.start() for match in _WORD_START.finditer(text, start + 1, stop)]


def _divide(text: str, start: int, stop: int, size: int, kinds: list[_Joints]) -> Iterator[tuple[int, int]]:
    """Spans of at most `size`, cut at the first kind of joint that a span has, else anywhere."""
    if stop - start <= size:
        yield start, stop
    elif kinds:
        for span in _branch(text, start, stop, size, kinds[0](text, start, stop)):
            yield from _divide(text, *span, size, kinds[1:])
    else:
        yield from _chop(text, start, stop, size)


def _chop(text: str, start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    parts = -(-(stop - start) // size)
    for left in range(parts - 1, 0, -1):
        cut = _between_characters(text, start, stop - (stop - start) * left // (left + 1))
        yield start, cut
        start = cut
    yield start, stop


def _branch(text: str, start: int, stop: int, size: int, joints: list[int]) -> Iterator[tuple[int, int]]:
    """Cut at the strongest joint, then each side at its own, until a span fits or has no joint left."""
    strengths = [crc32(text[joint : joint + 48].encode("utf-8", "surrogatepass")) for joint in joints]
    spans = [(start, stop, 0, len(joints))]
    while spans:
        start, stop, low, high = spans.pop()
        if stop - start <= size or low == high:
            yield start, stop
            continue
        # Joints near an end would leave scraps; where there are no others, the innermost is taken.
        first = bisect_left(joints, start + size // 4, low, high)
        last = bisect_right(joints, stop - size // 4, low, high)
        chosen = _strongest(strengths, first, last) if first < last else max(low, first - 1)
        spans.append((joints[chosen], stop, chosen + 1, high))
        spans.append((start, joints[chosen], low, chosen))


def _strongest(strengths: list[int], low: int, high: int) -> int:
    """The index of the highest strength; of equal ones one near the middle, so that likes are halved."""
    middle = (low + high) // 2
    left, right = strengths[low:middle], strengths[middle:high]
    best = max(right)
    return middle + right.index(best) if not left or best >= max(left) else low + left.index(max(left))
