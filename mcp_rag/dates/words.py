"""The words for days, weeks, months and years: English, as tables and as the patterns made of them. Pure.

Another language is another set of these tables. Patterns hold ASCII only, so that what they match is always
found in the tables (without it "ı" would pass for "i").
"""

import re
from collections.abc import Iterable

from mcp_rag.dates.days import Unit

# fmt: off
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth",
    "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
)
# fmt: on
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NUMBERS = {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)}
WEEKDAY_NUMBERS = {name[:3].lower(): number for number, name in enumerate(WEEKDAYS)}
"""By the first three letters, in which all ways to write a name agree."""
NAMES_TOO = frozenset({"march", "april", "may", "june", "august"})
"""Also verbs, adjectives or people: months only where the sentence says so."""
VERBS_TOO = frozenset({"may", "march"})

SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""The first of a season's three months, as meteorologists count them north of the equator."""
HOLIDAYS = {
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "christmas": (12, 25),
    "xmas": (12, 25),
    "new year's eve": (12, 31),
    "new year's day": (1, 1),
    "new year's": (1, 1),
    "new year": (1, 1),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
}
"""Month and day of those with a fixed date."""

UNITS: dict[str, tuple[int, Unit]] = {
    "day": (1, "day"),
    "night": (1, "day"),
    "week": (1, "week"),
    "fortnight": (2, "week"),
    "month": (1, "month"),
    "year": (1, "year"),
    "decade": (10, "year"),
}
FEW = {"few": (2, 5), "several": (3, 8)}
"""From how many to how many."""
COUNTS = {
    "a": 1,
    "an": 1,
    "the": 1,
    "couple": 2,
    **{word: n for n, word in enumerate(_NUMBERS, 1)},
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
}
DAY_WORDS = {
    "yesterday": -1,
    "last night": -1,
    "day before yesterday": -2,
    "tomorrow": 1,
    "day after tomorrow": 2,
    "today": 0,
    "tonight": 0,
    "this morning": 0,
    "this afternoon": 0,
    "this evening": 0,
}
"""Days from the day on which it is said."""
ORDINALS = {word: n for n, word in enumerate(_ORDINALS, 1)}

TELLING = ("yesterday", "tomorrow", "ago", "last", "next", "this", "past", "coming", "now", "time")
"""In small letters. Every expression that depends on the day it is said has one of these in it, save those
for that day itself."""


def _any(words: Iterable[str]) -> str:
    """One of these words, the longest that fits."""
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return "|".join(word.replace(" ", r"\s+").replace("'", "['’]?") for word in longest_first)


def pattern(source: str) -> re.Pattern[str]:
    """Whole words of any case."""
    return re.compile(rf"\b(?a:{source})(?!\w)", re.IGNORECASE)


def ending(source: str) -> re.Pattern[str]:
    """Whole words at the end of a text, with the space after them."""
    return re.compile(rf"\b(?a:{source})[\s-]+\Z", re.IGNORECASE)


MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
WEEKDAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?)\b"
)
SEASON, HOLIDAY, UNIT = _any(SEASONS), _any(HOLIDAYS), _any(UNITS)
YEAR = r"(?:1[5-9]\d\d|20\d\d)\b"
COUNT = (
    r"(?<![-\d.,])(?<!half )(?:[1-9]\d{0,2}|(?:an?\s+)?(?:couple(?:\s+of)?|few)|several|"
    + _any(set(COUNTS) - {"couple", "the"})
    + ")"
)
_TH = r"(?:st|nd|rd|th)?"
_TO = r"\s*(?:-|–|to|and)\s*"

RELATIVE = "|".join(
    (
        rf"(?P<word>(?:the\s+)?(?:{_any(DAY_WORDS)}))",
        rf"(?P<ago>(?P<ago_count>{COUNT})\s+(?P<ago_unit>{UNIT})"
        r"(?:(?P<ago_plural>s)?\s+(?:ago|(?P<from_now>from\s+now))|(?P<in_time>(?:s['’]|['’]s)\s+time)))",
        rf"(?P<skip>(?P<skip_what>weekend|week|month|year|{WEEKDAY})\s+(?:(?P<skip_back>before\s+last)|after\s+next)"
        rf"(?!\s+(?:week|month|year|night|{MONTH}|{WEEKDAY}|{SEASON}|{HOLIDAY})))",
        rf"(?P<within>(?P<within_day>{WEEKDAY}),?\s+(?:of\s+)?(?P<within_which>last|this|next)\s+week)",
        r"(?P<turn>(?P<which>last|next|this(?:\s+(?:past|coming))?|(?:the\s+)?coming|the\s+past)\s+"
        rf"(?P<what>weekend|week|month|year|{WEEKDAY}|{MONTH}|{SEASON}|{HOLIDAY})\b"
        rf"(?!\s+(?:of\b|in\s+{MONTH}|(?:before|after)\s+(?:\d|{MONTH}))))",
    )
)
"""What depends on the day it is said. The name of the outer group says which kind it is."""

ABSOLUTE = "|".join(
    (
        r"(?P<iso>(?<![-\d/.])(?P<iso_year>\d{4})-(?P<iso_month>\d\d)(?:-(?P<iso_day>\d\d))?(?![-\d]))",
        r"(?P<slashes>(?<![\d/])(?P<slash_a>\d{1,2})/(?P<slash_b>\d{1,2})/(?P<slash_year>\d{4})(?![\d/]))",
        rf"(?P<rolling>(?:the\s+)?(?:last|past)\s+(?P<rolling_count>{COUNT})\s+(?P<rolling_units>{UNIT})s?"
        rf"|the\s+(?:last|past)\s+(?P<rolling_unit>{UNIT}))(?!\s+of\b)",
        rf"(?P<day_month>(?:{WEEKDAY},?\s+(?:the\s+)?)?"
        rf"(?:(?<![-\d.,:/$€£])(?P<dm_day>\d{{1,2}}){_TH}(?:{_TO}(?P<dm_to>\d{{1,2}}){_TH})?(?P<dm_of>\s+of)?"
        rf"|(?P<dm_word>{_any(ORDINALS)})\s+of)"
        rf"\s+(?P<dm_month>{MONTH})\.?(?:,?\s+(?P<dm_year>{YEAR}))?)",
        rf"(?P<month_day>(?:{WEEKDAY},?\s+)?(?P<md_month>{MONTH})\.?\s+(?:the\s+)?(?P<md_day>\d{{1,2}}){_TH}(?![\w:])"
        rf"(?:{_TO}(?P<md_to>\d{{1,2}}){_TH}(?![\w:]))?(?:,?\s+(?P<md_year>{YEAR}))?)",
        rf"(?P<named>(?:(?P<name_month>{MONTH})\.?|(?P<name_season>{SEASON})|(?P<name_holiday>{HOLIDAY}))"
        rf"(?:,?\s+(?:of\s+|in\s+)?(?:(?P<name_year>{YEAR})|(?P<name_which>last|this|next)\s+year))?)",
        rf"(?P<weekday>{WEEKDAY})",
        r"(?P<weekend>the\s+weekend(?!\s+of\b))",
        r"(?P<decade>(?:the\s+)?(?P<decade_year>(?:1[5-9]|20)\d0)['’]?s)",
        rf"(?P<year>{YEAR})",
    )
)
"""What a reader can find in a calendar, and what runs up to now."""
