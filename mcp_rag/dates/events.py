"""Events by which a question dates something ("before the move"): no calendar knows when they were. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from mcp_rag.dates.false_friends import until_here
from mcp_rag.dates.questions import Period, periods
from mcp_rag.dates.words import ending


@dataclass(frozen=True, slots=True)
class Relation:
    """Before or after an event, which is named as the text names it."""

    direction: Literal["before", "after"]
    text: str

    def period(self, moment: datetime | None) -> Period | None:
        """The time that is meant, given when the event was spoken of; None where that is not known."""
        if moment is None:
            return None
        start, end = (None, moment) if self.direction == "before" else (moment, None)
        return Period(start, end, "open", span=(0, 0))


# Where a noun phrase is over: a subject, a verb without content, a question word, a conjunction.
_OVER = (
    "i|you|we|he|she|they|it|there|am|is|are|was|were|be|been|did|do|does|had|has|have|will|would|can|could|may"
    "|might|shall|should|must|got|what|who|whom|when|where|why|how|which|that|because|if|and|or|but|so|then"
    "|before|after|since|until|while|as|than|not"
)
# After these a phrase was only the subject of a clause: the event is what follows, and that is not named.
_CLAUSE = re.compile(
    r"\s+(?:am|is|are|was|were|be|been|had|has|have|will|would|can|could|might|shall|should|must|got)\b",
    re.IGNORECASE,
)
_WORD = rf"(?!(?:{_OVER})\b)\w+(?:[-'’]\w+)*"
# "The fact", "a while" and the like are no events, and words for time are the calendar's.
_EMPTY = (
    "while|fact|moment|times?|bit|rest|end|beginning|start|middle|same|other|few|couple|several|last|next|past"
    "|coming|weekends?|(?:second|minute|hour|day|night|morning|afternoon|evening|week|month|year|decade)s?"
)
_OWNER = r"(?:the|a|an|my|our|his|her|their|your|its|this|that|[^\W\d_]+['’]s)"
_EVENT = re.compile(
    r"\b(?P<direction>before|after|since|prior\s+to)\s+"
    rf"(?P<event>{_OWNER}\s+(?!(?:{_EMPTY})\b|\d){_WORD}(?:\s+{_WORD}){{0,7}}"
    r"|(?!(?:morning|evening|spring|during|\w*thing|being|having)\b)[^\W\d_]{2,}ing\b"
    rf"(?:\s+{_WORD}){{0,7}})",
    re.IGNORECASE,
)
_LOOSE_END = re.compile(
    r"(?:\s+(?:the|a|an|my|our|his|her|their|your|its|to|of|in|on|at|by|for|from|with))+\Z", re.I
)
_OTHER_AFTER = ending(r"(?:look(?:s|ed|ing)?|named?|tak(?:e|es|en|ing)|took|called|ask(?:s|ed|ing)?)")


def relations(text: str) -> list[Relation]:
    """The events that a text is before or after ("since" is after), in its order.

    Only noun phrases that are no dates, and phrases like "moving to Rome": "before I left" names no event
    that could be looked up by itself.
    """
    dates = None
    found = []
    for said in _EVENT.finditer(text):
        if _CLAUSE.match(text, said.end()) or _OTHER_AFTER.search(until_here(text, said.start())):
            continue
        dates = (
            dates if dates is not None else [p.span for p in periods(text, datetime(2000, 1, 1, tzinfo=UTC))]
        )
        if any(start <= said.start("event") and said.end() <= stop for start, stop in dates):
            continue
        back = said["direction"].lower().startswith(("b", "p"))
        found.append(Relation("before" if back else "after", _LOOSE_END.sub("", said["event"])))
    return found
