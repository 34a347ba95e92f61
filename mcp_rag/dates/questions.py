"""The periods that a question asks for. Pure.

Expressions are found first, each by itself. Then the words before each are read, from the inside out: a part
of it ("the end of May"), what lies some way from it ("two days after 5 May"), a range of two, and at last the
open side ("since", "before").
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Literal

from mcp_rag.dates import days, expressions
from mcp_rag.dates.days import Days, Grain
from mcp_rag.dates.expressions import Expression, Said
from mcp_rag.dates.false_friends import until_here
from mcp_rag.dates.words import COUNT, ORDINALS, UNIT, WEEKDAY, ending

MOST = 32
"""Expressions that are read of one text."""


@dataclass(frozen=True, slots=True)
class Period:
    """The time from `start` up to, but not with, `end`, in the zone of the one who asks."""

    start: datetime | None
    """None: open to the past. At least one side is not open."""
    end: datetime | None
    grain: Grain | Literal["open"]
    """How exactly it was said. A span is a range, or an about."""
    span: tuple[int, int]
    """Where in the text it is said."""
    recurring: bool = False
    """No year was said: it is the latest that has begun, and the same days of any year may be meant."""

    def covers(self, moment: datetime) -> bool:
        """Whether an aware moment is in it; where it recurs, in that of any year."""
        return any(
            (start is None or start <= moment) and (end is None or moment < end)
            for start, end in self._near(moment)
        )

    def distance(self, moment: datetime) -> timedelta:
        """How far an aware moment is from it, zero inside; where it recurs, from the nearest year's."""
        return min(_gap(moment, start, end) for start, end in self._near(moment))

    def _near(self, moment: datetime) -> Iterator[tuple[datetime | None, datetime | None]]:
        yield self.start, self.end
        if self.recurring and self.start and self.end:
            for year in (moment.year - 1, moment.year, moment.year + 1):
                ends_in = year + self.end.year - self.start.year
                if year >= 1 and ends_in <= 9999:
                    yield _in_year(self.start, year), _in_year(self.end, ends_in, forward=True)


def periods(text: str, now: datetime) -> list[Period]:
    """The periods that a text speaks of, in its order, understood by someone who reads it `now` (aware).

    A day or month without a year is the latest that has begun, because memory looks back. Soft words
    ("recently") and habits ("every Friday") give none.
    """
    read = [_read_before(text, found) for found in islice(expressions.every(text, now.date()), MOST)]
    joined = _joined(text, [e for e in read if not any(e is not o and _within(e, o) for o in read)])
    return [_period(text, found, now) for found in joined if found.sure or _ONWARDS.match(text, found.stop)]


def _gap(moment: datetime, start: datetime | None, end: datetime | None) -> timedelta:
    return max(start - moment if start else timedelta(), moment - end if end else timedelta(), timedelta())


def _in_year(moment: datetime, year: int, *, forward: bool = False) -> datetime:
    day = days.leap(moment.date(), year - moment.year, forward=forward)
    return datetime.combine(day, time(), tzinfo=moment.tzinfo)


def _within(inner: Expression, outer: Expression) -> bool:
    return outer.start <= inner.start and inner.stop <= outer.stop


_PART = ending(
    r"(?:the\s+)?(?:early|(?P<mid>mid|middle\s+of)|(?P<late>late|end\s+of)|(?:beginning|start)\s+of)"
    r"(?:\s+(?:in\s+)?the)?"
)
_NTH = ending(
    rf"(?:the\s+)?(?:(?P<nth>first|second|third|fourth|fifth|last)\s+)?(?P<what>week|weekend|{WEEKDAY})\s+(?:of|in)"
    r"(?:\s+the\s+month\s+of)?"
)
_OFFSET = ending(
    rf"(?:(?P<count>the|{COUNT})\s+(?P<unit>{UNIT})s?|(?:the\s+)?(?P<day>weekend|{WEEKDAY}))"
    r"\s+(?:(?P<back>before)|after)(?:\s+the)?"
)
_AROUND = ending(r"(?:around|near|close\s+to|circa|(?P<over>over))(?:\s+the)?")
_BETWEEN = ending(r"(?:(?P<between>between)|from)(?:\s+the)?")
_TO = re.compile(
    r"\s*(?:(?P<dash>[-–—/])|\b(?:to|through|until|till|(?P<and>and))\b)\s*(?:the\s+)?", re.IGNORECASE
)
_OPEN = ending(
    r"(?:(?P<before>before|prior\s+to)|(?P<until>until|till|up\s+to|by)|(?P<after>after)|since)(?:\s+the)?"
)
_ONWARDS = re.compile(r"\s+onwards?\b", re.IGNORECASE)


def _read_before(text: str, found: Expression) -> Expression:
    """An expression with the words before it that change which days it means."""
    for _ in range(len(_CHANGES)):
        here = until_here(text, found.start)
        said, meant = _changed(here, found.days)
        if said is None:
            break
        found = replace(found, start=found.start - len(here) + said.start(), days=meant)
    return found


def _changed(here: str, meant: Days) -> tuple[Said | None, Days]:
    for wanted, change in _CHANGES:
        if said := wanted.search(here):
            try:
                return said, change(said, meant)
            except (ValueError, OverflowError):
                break  # Beyond the calendar
    return None, meant


def _part(said: Said, meant: Days) -> Days:
    return meant.third(1 if said["mid"] else 2 if said["late"] else 0)


def _nth(said: Said, meant: Days) -> Days:
    """ "The second week of June", "the last Friday in May", "the week of 7 May"."""
    what, length = said["what"].lower(), (meant.end - meant.first).days
    if length == 1 and what in ("week", "weekend"):
        day = meant.first
        return replace(days.week(day) if what == "week" else days.weekend(day), recurring=meant.recurring)
    if length < 28 or not said["nth"]:
        return meant
    nth = 0 if said["nth"].lower() == "last" else ORDINALS[said["nth"].lower()]
    first = _nth_first(nth, what, meant)
    size = {"week": 7, "weekend": 2}.get(what, 1)
    grain: Grain = "week" if what == "week" else "weekend" if what == "weekend" else "day"
    return Days(first, first + timedelta(days=size), grain, recurring=meant.recurring)


def _nth_first(nth: int, what: str, meant: Days) -> date:
    """The first day of the nth week, weekend or weekday; 0 is the last."""
    if what == "week":
        return meant.first + timedelta(days=7 * (nth - 1)) if nth else meant.end - timedelta(days=7)
    number = days.SATURDAY if what == "weekend" else expressions.weekday(what)
    if nth == 0:
        return days.before(meant.end, number)
    return days.after(meant.first - timedelta(days=1), number) + timedelta(days=7 * (nth - 1))


def _offset(said: Said, meant: Days) -> Days:
    """ "Two days after 5 May", "the week before Christmas", "the Friday after New Year"."""
    back = bool(said["back"])
    day = meant.first if back else meant.end - timedelta(days=1)
    if said["day"]:
        weekend = said["day"].lower() == "weekend"
        number = days.SATURDAY if weekend else expressions.weekday(said["day"])
        near = days.before(day, number) if back else days.after(day, number)
        moved = days.weekend(near) if weekend else days.one(near)
    else:
        many = expressions.count(said["count"])
        moved = expressions.far(day, many, expressions.unit(said["unit"]), back=back)
    return replace(moved, recurring=meant.recurring)


def _around(said: Said, meant: Days) -> Days:
    """A quarter of its length to either side, at least three days."""
    if said["over"] and meant.grain != "day":
        return meant  # "Over the weekend" is in it
    return meant.widened(max(3, (meant.end - meant.first).days // 4))


_CHANGES: tuple[tuple[re.Pattern[str], Callable[[Said, Days], Days]], ...] = (
    (_PART, _part),
    (_NTH, _nth),
    (_OFFSET, _offset),
    (_AROUND, _around),
)


def _joined(text: str, found: list[Expression]) -> list[Expression]:
    """With a range in place of its two ends."""
    joined: list[Expression] = []
    taken = None
    for this, following in pairwise([*found, None]):
        if this is None or this is taken:
            continue
        together = _range(text, this, following) if following else None
        taken = following if together else None
        joined.append(together or this)
    return joined


def _range(text: str, this: Expression, following: Expression) -> Expression | None:
    to = _TO.fullmatch(text[this.stop : following.start])
    here = until_here(text, this.start)
    opened = _BETWEEN.search(here)
    if (
        not to
        or not (opened or this.sure or to["dash"])
        or (to["and"] and not (opened and opened["between"]))
    ):
        return None
    start = this.start - (len(here) - opened.start() if opened else 0)
    try:
        return Expression(start, following.stop, _from_to(this.days, following.days))
    except (ValueError, OverflowError):
        return None


def _from_to(this: Days, that: Days) -> Days:
    """From the first day of one to the last of the other; what has no year takes one that fits."""
    if this.recurring and (not that.recurring or this.first >= that.end):
        this = this.in_year(that.first.year)
        this = this if this.first < that.end else this.in_year(that.first.year - 1)
    elif that.recurring and not this.recurring:
        that = that.in_year(this.first.year)
        that = that if that.end > this.first else that.in_year(this.first.year + 1)
    recurring = this.recurring and that.recurring
    return Days(min(this.first, that.first), max(this.end, that.end), "span", recurring)


def _period(text: str, found: Expression, now: datetime) -> Period:
    start, end = (
        datetime.combine(day, time(), tzinfo=now.tzinfo) for day in (found.days.first, found.days.end)
    )
    here = until_here(text, found.start)
    if onwards := _ONWARDS.match(text, found.stop):
        return Period(start, None, "open", (found.start, onwards.end()))
    said = _OPEN.search(here)
    if not said:
        return Period(start, end, found.days.grain, (found.start, found.stop), found.days.recurring)
    span = (found.start - len(here) + said.start(), found.stop)
    if said["before"]:
        # "Before the end of May" is before May is over, wherever its last third begins.
        ending_of = re.match(r"(?:the\s+)?end\s+of\b", text[found.start : found.stop], re.IGNORECASE)
        return Period(None, end if ending_of else start, "open", span)
    if said["until"]:
        return Period(None, end, "open", span)
    return Period(end if said["after"] else start, None, "open", span)
