"""The days that a message means by "yesterday" or "next month", in words that an index can match. Pure."""

from datetime import date, datetime, timedelta

from mcp_rag.dates.days import Days
from mcp_rag.dates.expressions import relative
from mcp_rag.dates.words import MONTHS

MOST = 4
"""Lines for one message."""


def resolved(text: str, sent_at: datetime) -> list[str]:
    """What the text says relative to the day it was sent, and the days that are meant.

    For example "yesterday: 7 May 2023", "last week: 1 to 7 May 2023", "a month ago: about 8 April 2023",
    "next month: June 2023". In the order of the text, each once. What the message's own date says already
    ("today", "this month") and what is too vague to date ("a few days ago") is left out.
    """
    today = sent_at.date()
    lines: dict[str, None] = {}
    for said in relative(text, today):
        if said.days.grain == "span" or _known(said.days, today):
            continue
        words = " ".join(text[said.start : said.stop].lower().split())
        lines[f"{words}: {described(said.days)}"] = None
        if len(lines) == MOST:
            break
    return list(lines)


def described(meant: Days) -> str:
    """For example "7 May 2023", "29 May to 4 June 2023", "June 2023", "December 2022 to February 2023"."""
    first, last = meant.about or meant.first, meant.end - timedelta(days=1)
    if meant.about:
        return f"about {_day(first)}"
    if meant.grain == "year":
        return str(first.year)
    if meant.grain == "month":
        return _month(first)
    if meant.grain == "season":
        return _range(_month(first), _month(last), str(last.year))
    if first == last:
        return _day(first)
    return _range(_day(first), _day(last), _month(last) if first.month == last.month else str(last.year))


def _known(meant: Days, today: date) -> bool:
    return meant.grain in ("day", "month", "year") and meant.first <= today < meant.end


def _range(first: str, last: str, common: str) -> str:
    return f"{first.removesuffix(common).rstrip()} to {last}"


def _day(day: date) -> str:
    return f"{day.day} {_month(day)}"


def _month(day: date) -> str:
    return f"{MONTHS[day.month - 1]} {day.year}"
