"""What is given to whoever writes: small, and as the service gives it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from mcp_rag import passages
from mcp_rag.models import Claim, Evidence, Hit, Quote, Turn, Wanted
from mcp_rag.ports import Answerer, Brief

NOW = datetime(2026, 11, 26, 13, 5, tzinfo=UTC)
MOVED = "We finally moved to Lisbon in March. The flat has a balcony. Boxes everywhere!"
STAYED = "I am staying in Porto. My sister left in March."


def evidence(
    text: str,
    *,
    speaker: str | None = "Anna",
    title: str = "Moving house",
    date: datetime | None = datetime(2026, 4, 2, 9, 30, tzinfo=UTC),
    conversation_id: str = "moving",
) -> Evidence:
    hit = Hit(
        id=f"{conversation_id}#0",
        title=title,
        url=f"conversation://{conversation_id}/messages/0",
        conversation_id=conversation_id,
        position=0,
        speaker=speaker,
        date=date,
        text=text,
        score=0.7,
    )
    starts = [0, *(start for start, _ in passages.sentences(text)[1:]), len(text)]
    return Evidence(hit=hit, sentences=tuple(text[a:b] for a, b in pairwise(starts)))


def brief(
    *sources: Evidence,
    question: str = "Where did Anna move?",
    history: Sequence[Turn] = (),
    may_search: bool = False,
) -> Brief:
    found = sources or (evidence(MOVED), evidence(STAYED, speaker="Ben", conversation_id="porto"))
    return Brief(question=question, evidence=found, now=NOW, history=history, may_search=may_search)


def claim(text: str, *quotes: tuple[int, str]) -> Claim:
    return Claim(text=text, quotes=tuple(Quote(source=source, text=words) for source, words in quotes))


async def written(answerer: Answerer, given: Brief | None = None) -> list[object]:
    """All that is given out, what was spent aside."""
    return answers([piece async for piece in answerer.write(given or brief())])


def answers(pieces: Iterable[object]) -> list[object]:
    return [piece for piece in pieces if isinstance(piece, Claim | Wanted)]
