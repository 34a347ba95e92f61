"""Spans of whole days, and the arithmetic of weeks, months and years. Pure.

What leaves the calendar (a year before 1 or after 9999) is a ValueError or an OverflowError.
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

Unit = Literal["day", "week", "month", "year"]
Grain = Literal["day", "weekend", "week", "month", "season", "year", "span"]

_DAY = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Days:
    """The days from `first` up to `end`, which is not one of them."""

    first: date
    end: date
    grain: Grain
    recurring: bool = False
    """No year was said: the same days of another year may be meant."""
    about: date | None = None
    """The one day that these are around."""

    def widened(self, days: int) -> "Days":
        margin = timedelta(days=days)
        return replace(self, first=self.first - margin, end=self.end + margin, grain="span")

    def in_year(self, year: int) -> "Days":
        """The same days of the year that `first` shall be in."""
        years = year - self.first.year
        return replace(self, first=leap(self.first, years), end=leap(self.end, years, forward=True))

    def third(self, index: int) -> "Days":
        """The first (0), middle (1) or last (2) third; of less than three days all of them."""
        length = (self.end - self.first).days
        if length < 3:
            return self
        first, end = (self.first + timedelta(days=length * part // 3) for part in (index, index + 1))
        return replace(self, first=first, end=end, grain="span", about=None)


def leap(day: date, years: int, *, forward: bool = False) -> date:
    """The same day `years` later. 29 February becomes 28 February, or 1 March with `forward`."""
    year = day.year + years
    if (day.month, day.day) == (2, 29) and monthrange(year, 2)[1] == 28:
        return date(year, 3, 1) if forward else date(year, 2, 28)
    return day.replace(year=year)


def one(day: date) -> Days:
    return Days(day, day + _DAY, "day")


def week(day: date) -> Days:
    """The week that a day is in, from its Monday."""
    monday = day - timedelta(days=day.weekday())
    return Days(monday, monday + timedelta(days=7), "week")


def weekend(day: date) -> Days:
    """The Saturday and Sunday of the week that a day is in."""
    saturday = week(day).first + timedelta(days=SATURDAY)
    return Days(saturday, saturday + timedelta(days=2), "weekend")


def month(year: int, number: int) -> Days:
    first = date(year, number, 1)
    return Days(first, months_later(first, 1), "month")


def season(year: int, first_month: int) -> Days:
    """The three months that begin with this one."""
    first = date(year, first_month, 1)
    return Days(first, months_later(first, 3), "season")


def whole_year(year: int) -> Days:
    return Days(date(year, 1, 1), date(year + 1, 1, 1), "year")


def months_later(day: date, months: int) -> date:
    """The same day of another month, or that month's last: 31 March less one month is 28 or 29 February."""
    years, month_index = divmod(day.month - 1 + months, 12)
    year = day.year + years
    last = monthrange(year, month_index + 1)[1] if 1 <= year <= 9999 else 31
    return date(year, month_index + 1, min(day.day, last))


def unit_of(day: date, unit: Unit) -> Days:
    """The day, week, month or year that a day is in."""
    if unit == "day":
        return one(day)
    if unit == "week":
        return week(day)
    return month(day.year, day.month) if unit == "month" else whole_year(day.year)


def later(day: date, count: int, unit: Unit) -> date:
    """The day so many units later; earlier where `count` is negative."""
    if unit in ("day", "week"):
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    return months_later(day, count * (12 if unit == "year" else 1))


def away(day: date, count: int, unit: Unit) -> Days:
    """What people mean by so many units from a day: as exact as the unit is.

    A day is that day. Weeks and months are the days around it, half a unit to either side. Years are the
    whole year.
    """
    middle = later(day, count, unit)
    if unit in ("day", "year"):
        return unit_of(middle, unit)
    margin = timedelta(days=3 if unit == "week" else 15)
    return Days(middle - margin, middle + margin + _DAY, unit, about=middle)


def before(day: date, weekday: int) -> date:
    """The last such weekday before a day."""
    return day - timedelta(days=(day.weekday() - weekday - 1) % 7 + 1)


def after(day: date, weekday: int) -> date:
    """The first such weekday after a day."""
    return day + timedelta(days=(weekday - day.weekday() - 1) % 7 + 1)


def last_begun(yearly: Days, today: date) -> Days:
    """The latest of what comes every year that has begun."""
    this = yearly.in_year(today.year)
    return this if this.first <= today else this.in_year(today.year - 1)


def last_ended(yearly: Days, today: date) -> Days:
    """The latest of what comes every year that is over."""
    this = last_begun(yearly, today)
    return this if this.end <= today else this.in_year(this.first.year - 1)


def next_begun(yearly: Days, today: date) -> Days:
    """The first of what comes every year that begins after today."""
    this = last_begun(yearly, today)
    return this.in_year(this.first.year + 1)


def nearest(yearly: Days, today: date) -> Days:
    """The one of what comes every year that is on now, or nearest."""

    def gap(this: Days) -> timedelta:
        return max(this.first - today, today - this.end + _DAY, timedelta())

    return min((last_begun(yearly, today), next_begun(yearly, today)), key=gap)
