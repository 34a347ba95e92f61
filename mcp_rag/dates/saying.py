"""Whether a question asks for a time, and whether a message gives one. Pure."""

import re
from datetime import datetime
from functools import lru_cache

from mcp_rag.dates.messages import resolved
from mcp_rag.dates.words import MONTH, YEAR

_ASKED = re.compile(
    r"\bwhen(?:['’]s|\s+(?:exactly\s+)?(?:am|is|are|was|were|do|does|did|has|have|had|will|would|can|could|should"
    r"|shall|might))\b|\bhow\s+long\s+ago\b|\b(?:what|which)\s+(?:day|date|week|month|season|year)\b",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    rf"\b(?a:\d{{4}}-\d\d(?:-\d\d)?|\d{{1,2}}/\d{{1,2}}/\d{{2,4}}|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}"
    rf"|{MONTH}\.?\s+(?:the\s+)?\d{{1,2}}|(?:in|since|until|by|of)\s+{MONTH}|{YEAR})",
    re.IGNORECASE,
)


def asks_when(question: str) -> bool:
    """Whether the answer is a day, a month or a year: "When did", "what year", "how long ago"."""
    return _ASKED.search(question) is not None


@lru_cache(maxsize=4_096)
def says_when(text: str, sent_at: datetime | None) -> bool:
    """Whether it says when something is, by the calendar or counted from the day it was sent."""
    return _GIVEN.search(text) is not None or (sent_at is not None and bool(resolved(text, sent_at)))
