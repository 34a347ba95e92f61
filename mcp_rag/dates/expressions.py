"""The expressions of time in a text, each read to its days. Pure."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from mcp_rag.dates import days
from mcp_rag.dates.days import Days, Unit
from mcp_rag.dates.false_friends import is_date, is_sure
from mcp_rag.dates.words import (
    ABSOLUTE,
    COUNTS,
    DAY_WORDS,
    FEW,
    HOLIDAYS,
    MONTH_NUMBERS,
    ORDINALS,
    RELATIVE,
    SEASONS,
    TELLING,
    UNITS,
    WEEKDAY_NUMBERS,
    pattern,
)

Said = re.Match[str]

LEAP_YEAR = 2000

_REACH = 40
"""Characters to either side of a telling word in which the whole expression is."""
_TELLING = re.compile(rf"(?:{'|'.join(TELLING)})\b")
_RELATIVE = pattern(RELATIVE)
_EITHER = pattern(f"{RELATIVE}|{ABSOLUTE}")


@dataclass(frozen=True, slots=True)
class Expression:
    """The days that text[start:stop] speaks of; without `sure`, only as one end of a range."""

    start: int
    stop: int
    days: Days
    sure: bool = True


def relative(text: str, today: date) -> Iterator[Expression]:
    """What depends on the day it is said ("yesterday", "next month"), in the order of the text."""
    done = 0
    # "İ" is the one letter that is two when small, and positions must stay.
    for hint in _TELLING.finditer(text.replace("İ", "I").lower()):
        if done < hint.end():
            begin, end = max(done, hint.start() - _REACH), hint.end() + _REACH
            for said in _RELATIVE.finditer(text, begin, end):
                done = said.end()
                yield from _read(said, today)


def every(text: str, today: date) -> Iterator[Expression]:
    """All expressions of time, in the order of the text."""
    for said in _EITHER.finditer(text):
        yield from _read(said, today)


def unit(said: str) -> tuple[int, Unit]:
    return UNITS[said.lower()]


def count(said: str) -> tuple[int, int]:
    """From how many to how many: "a couple of" is 2, "a few" is 2 to 5."""
    words = said.lower().split()
    word = next((word for word in reversed(words) if word in COUNTS or word in FEW), "")
    if word in FEW:
        return FEW[word]
    number = COUNTS[word] if word else int(said)
    return number, number


def far(day: date, many: tuple[int, int], what: tuple[int, Unit], *, back: bool) -> Days:
    """The days that are so many units from a day; for a vague number, all from the least to the most."""
    size, name = what
    near, most = (days.away(day, (-n if back else n) * size, name) for n in many)
    if near == most:
        return near
    return Days(min(near.first, most.first), max(near.end, most.end), "span")


def weekday(name: str) -> int:
    return WEEKDAY_NUMBERS[name[:3].lower()]


def _read(said: Said, today: date) -> Iterator[Expression]:
    if is_date(said):
        # Not to be read: 31 June, and years that no calendar has.
        with suppress(ValueError, OverflowError):
            if found := _READERS[said.lastgroup or ""](said, today):
                yield Expression(said.start(), said.end(), found, is_sure(said))


def _word(said: Said, today: date) -> Days:
    words = said["word"].lower().split()
    word = " ".join(words[1:] if words[0] == "the" else words)
    return days.one(today + timedelta(days=DAY_WORDS[word]))


def _ago(said: Said, today: date) -> Days | None:
    many = count(said["ago_count"])
    if said["ago_plural"] and many == (1, 1):
        return None  # The end of a larger number: "twenty one years ago"
    back = not (said["from_now"] or said["in_time"])
    return far(today, many, unit(said["ago_unit"]), back=back)


def _skip(said: Said, today: date) -> Days:
    """ "The week before last" and "the Friday after next"."""
    what, sign = said["skip_what"].lower(), -1 if said["skip_back"] else 1
    if what == "weekend":
        return days.weekend(today + timedelta(days=14 * sign))
    if what in UNITS:
        name = unit(what)[1]
        return days.unit_of(days.later(today, 2 * sign, name), name)
    nearest = days.before(today, weekday(what)) if sign < 0 else days.after(today, weekday(what))
    return days.one(nearest + timedelta(days=7 * sign))


def _within(said: Said, today: date) -> Days:
    """ "Tuesday of last week"."""
    weeks = {"last": -1, "this": 0, "next": 1}[said["within_which"].lower()]
    monday = days.week(today).first
    return days.one(monday + timedelta(days=7 * weeks + weekday(said["within_day"])))


def _turn(said: Said, today: date) -> Days:
    """ "Last week", "next Friday", "this summer": the one before, after, or at the day it is said."""
    which, what = " ".join(said["which"].lower().split()), said["what"].lower()
    sign = {"last": -1, "this past": -1, "the past": -1, "this": 0}.get(which, 1)
    if what in UNITS:
        return days.unit_of(days.later(today, sign, name := unit(what)[1]), name)
    if what == "weekend":
        return _turned_weekend(which, today)
    if what[:3] in WEEKDAY_NUMBERS:
        return _turned_weekday(weekday(what), sign, today)
    return _turned_yearly(what, sign, today)


def _turned_weekend(which: str, today: date) -> Days:
    if which in ("this past", "the past"):
        return last_weekend(today)
    if which in ("this", "this coming", "coming", "the coming"):
        return days.weekend(today)
    return days.weekend(today + timedelta(days=7 if which == "next" else -7))


def last_weekend(today: date) -> Days:
    """The latest weekend that has begun."""
    this = days.weekend(today)
    return this if this.first <= today else days.weekend(today - timedelta(days=7))


def _turned_weekday(number: int, sign: int, today: date) -> Days:
    if sign == 0:
        return days.one(days.week(today).first + timedelta(days=number))
    return days.one(days.before(today, number) if sign < 0 else days.after(today, number))


def _turned_yearly(name: str, sign: int, today: date) -> Days:
    yearly = _yearly(name, today.year)
    if sign == 0:
        return yearly if yearly.grain == "month" else days.nearest(yearly, today)
    return days.last_ended(yearly, today) if sign < 0 else days.next_begun(yearly, today)


def _yearly(name: str, year: int) -> Days:
    """A month, a season or a holiday of a year."""
    if name in SEASONS:
        return days.season(year, SEASONS[name])
    if holiday := _HOLIDAYS.get(_letters(name)):
        return days.one(date(year, *holiday))
    return days.month(year, MONTH_NUMBERS[name[:3]])


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))


_HOLIDAYS = {_letters(name): day for name, day in HOLIDAYS.items()}


def _iso(said: Said, today: date) -> Days:
    year, month = int(said["iso_year"]), int(said["iso_month"])
    return days.one(date(year, month, int(said["iso_day"]))) if said["iso_day"] else days.month(year, month)


def _slashes(said: Said, today: date) -> Days | None:
    """Day and month in either order, where only one of the two is a date."""
    low, high = sorted((int(said["slash_a"]), int(said["slash_b"])))
    return days.one(date(int(said["slash_year"]), low, high)) if low == high or high > 12 else None


def _rolling(said: Said, today: date) -> Days:
    """ "The past two weeks": up to today."""
    many = count(said["rolling_count"] or "a")[1]
    size, name = unit(said["rolling_units"] or said["rolling_unit"])
    return Days(days.later(today, -many * size, name), today + timedelta(days=1), "span")


def _day_month(said: Said, today: date) -> Days:
    word = said["dm_word"]
    first = ORDINALS[word.lower()] if word else int(said["dm_day"])
    return _dated(first, said["dm_to"], said["dm_month"], said["dm_year"], today)


def _month_day(said: Said, today: date) -> Days:
    return _dated(int(said["md_day"]), said["md_to"], said["md_month"], said["md_year"], today)


def _dated(first: int, last: str | None, month: str, year: str | None, today: date) -> Days:
    number = MONTH_NUMBERS[month[:3].lower()]
    leap_day = (number, first) == (2, 29)
    begin = date(int(year) if year else LEAP_YEAR if leap_day else today.year, number, first)
    until = date(begin.year, number, int(last)) if last and int(last) > first else begin
    found = Days(begin, until + timedelta(days=1), "day" if until == begin else "span", recurring=not year)
    if year:
        return found
    return _last_leap_day(today) if leap_day else days.last_begun(found, today)


def _last_leap_day(today: date) -> Days:
    year = today.year - today.year % 4
    while (day := days.month(year, 2).end - timedelta(days=1)).day == 28 or day > today:
        year -= 4
    return Days(day, day + timedelta(days=1), "day", recurring=True)


def _named(said: Said, today: date) -> Days:
    name = (said["name_month"] or said["name_season"] or said["name_holiday"]).lower()
    if said["name_year"]:
        return _yearly(name, int(said["name_year"]))
    if which := said["name_which"]:
        return _yearly(name, today.year + {"last": -1, "this": 0, "next": 1}[which.lower()])
    found = days.last_begun(_yearly(name, today.year), today)
    return Days(found.first, found.end, found.grain, recurring=True)


def _decade(said: Said, today: date) -> Days:
    first = date(int(said["decade_year"]), 1, 1)
    return Days(first, days.later(first, 10, "year"), "span")


_READERS: dict[str, Callable[[Said, date], Days | None]] = {
    "word": _word,
    "ago": _ago,
    "skip": _skip,
    "within": _within,
    "turn": _turn,
    "iso": _iso,
    "slashes": _slashes,
    "rolling": _rolling,
    "day_month": _day_month,
    "month_day": _month_day,
    "named": _named,
    "weekday": lambda said, today: days.one(days.before(today, weekday(said["weekday"]))),
    "weekend": lambda said, today: last_weekend(today),
    "decade": _decade,
    "year": lambda said, today: days.whole_year(int(said["year"])),
}
