"""Words that look like dates and are not. Pure.

"sun", "mar", "may" and "fall" are words before they are dates, June is a friend, "the next week" is next to
some other week. A name that can be another word counts only with a number beside it, or where the sentence
has a place for a date ("in May", "on Sat"); abbreviations need their capital, too.
"""

import re
from collections.abc import Callable

from mcp_rag.dates.words import NAMES_TOO, SEASONS, UNITS, VERBS_TOO, ending

Said = re.Match[str]

_SHORT_BY_NATURE = NAMES_TOO | {"july", "xmas", *SEASONS}

REACH = 64
"""Characters before an expression that are read to understand it."""

_IN = (
    r"in|of|during|since|before|after|until|till|by|between|early|mid|late|around|through|throughout"
    r"|prior\s+to|(?:beginning|start|middle|end)\s+of"
)
_MONTH_IS_DUE = ending(rf"(?:{_IN})(?:\s+the\s+month\s+of)?")
_DAY_IS_DUE = ending(r"(?:on|since|before|after|by|until|till|from|between)")
_SEASON_IS_DUE = ending(rf"(?:(?:{_IN}|over)(?:\s+the)?)")
_FALL_IS_DUE = ending(r"(?:in|during|over|since|until|early|late)(?:\s+the)?")
_YEAR_IS_DUE = ending(rf"(?:{_IN}|from|year)")
_HABIT = ending(r"(?:every|each|any|an?|most|some|happy|merry)")
_ELSEWHERE = ending(r"(?:the|my|our|your|his|their|its|every|each|very)")


def until_here(text: str, stop: int) -> str:
    """What stands right before an expression."""
    return text[max(0, stop - REACH) : stop]


def is_date(said: Said) -> bool:
    """Whether an expression that says which one it means ("last may") speaks of time at all."""
    if said.lastgroup != "turn":
        return True
    which, what = said["which"].lower(), said["what"]
    if which.startswith("the") and which.endswith("past"):
        return what.lower() not in UNITS and _written_as_name(what)
    if which in ("last", "next") and _ELSEWHERE.search(until_here(said.string, said.start())):
        return False
    return what.lower() in UNITS or _written_as_name(what)


def is_sure(said: Said) -> bool:
    """Whether an expression speaks of time even if nothing else in the text does."""
    check = _CHECKS.get(said.lastgroup or "")
    return check is None or check(said, until_here(said.string, said.start()))


def _written_as_name(word: str) -> bool:
    """Written as it must be to be no other word: in full, or with a capital."""
    return _capital(word) or (not _short(word) and word.lower() not in VERBS_TOO)


def _short(word: str) -> bool:
    """Whether it is an abbreviation; none has more than five letters."""
    return len(word) <= 5 and word.lower() not in _SHORT_BY_NATURE


def _capital(word: str) -> bool:
    return word[:1].isupper()


def _day_of_month(month: str, given: bool, here: str) -> bool:
    """A month with a day beside it; "may" and "march" in small letters need more than the number."""
    return _capital(month) or month.lower() not in VERBS_TOO or given or bool(_DAY_IS_DUE.search(here))


def _named(said: Said, here: str) -> bool:
    if said["name_year"] or said["name_which"]:
        return True
    if _HABIT.search(here):
        return False
    if season := said["name_season"]:
        due = _FALL_IS_DUE if season.lower() == "fall" else _SEASON_IS_DUE
        return bool(due.search(here))
    return said["name_holiday"] is not None or _month(said["name_month"], here)


def _month(name: str, here: str) -> bool:
    if _short(name):
        return _capital(name) and bool(_MONTH_IS_DUE.search(here))
    return name.lower() not in NAMES_TOO or bool(_MONTH_IS_DUE.search(here))


def _weekday(said: Said, here: str) -> bool:
    name = said["weekday"]
    due = not _short(name) or (_capital(name) and bool(_DAY_IS_DUE.search(here)))
    return due and not _HABIT.search(here)


_CHECKS: dict[str, Callable[[Said, str], bool]] = {
    "day_month": lambda said, here: _day_of_month(
        said["dm_month"], bool(said["dm_of"] or said["dm_year"]), here
    ),
    "month_day": lambda said, here: _day_of_month(said["md_month"], bool(said["md_year"]), here),
    "named": _named,
    "weekday": _weekday,
    "year": lambda said, here: bool(_YEAR_IS_DUE.search(here)),
}
