"""Dates as benchmark sets write them."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from mcp_rag.evaluation.extra import required

_REMARK = re.compile(r"\([^)]*\)")
# Two years that no set speaks of: what is the same after both was said, and what is not was made up.
_SOME_YEAR, _ANOTHER = datetime(1604, 1, 1), datetime(1608, 1, 1)


@lru_cache(maxsize=4096)
def moment(text: str) -> datetime | None:
    """A date as ISO 8601 or people write it ("1:56 pm on 8 May, 2023"), in UTC when no zone is given.

    None for what cannot be understood, or has no year.
    """
    when = _by_standard(text.strip()) or _by_people(_REMARK.sub(" ", text))
    return when.replace(tzinfo=UTC) if when and when.tzinfo is None else when


def _by_standard(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _by_people(text: str) -> datetime | None:
    parser = required("dateutil.parser")
    try:
        first, second = (parser.parse(text, default=default) for default in (_SOME_YEAR, _ANOTHER))
    except (ValueError, OverflowError):
        return None
    return first if first == second else None
