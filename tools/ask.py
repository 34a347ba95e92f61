from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from mcp_rag.models import Answer, Filters, NoAnswer, Reply
from mcp_rag.tools import rendering
from mcp_rag.tools.door import Service
from mcp_rag.tools.parameters import ConversationId, Since, Source, Speaker, Tags, Until


async def ask(
    question: Annotated[str, Field(description="One question, in plain words.")],
    rag: Service,
    conversation_id: ConversationId = None,
    speaker: Speaker = None,
    source: Source = None,
    tags: Tags = None,
    since: Since = None,
    until: Until = None,
) -> Annotated[CallToolResult, Reply]:
    """Answer a question from past conversations, with quotes that were checked word for word.

    Use it when the user wants the answer rather than a list; cite the addresses it gives. When nothing in
    the store answers, it says so and shows the nearest misses: tell the user that, do not guess.
    """
    filters = Filters(
        conversation_id=conversation_id,
        speaker=speaker,
        source=source,
        tags=tuple(tags or ()),
        since=since,
        until=until,
    )
    reply = await rag.ask(question, filters=filters)
    return _answer(reply) if isinstance(reply, Answer) else _no_answer(reply)


def _answer(answer: Answer) -> CallToolResult:
    sources = [
        f"[{c.n}] {rendering.headline(c.title, c.speaker, rendering.day(c.date), c.uri)}"
        for c in answer.citations
    ]
    text = "\n".join(
        [f"{rendering.QUOTED}", rendering.quoted(answer.text), "Sources, every quote verified:", *sources]
    )
    return rendering.result(Reply(answer), text)


def _no_answer(miss: NoAnswer) -> CallToolResult:
    lines = [f"Not in the store: {miss.reason}"]
    if miss.nearest:
        lines.append(f"Nearest misses. {rendering.QUOTED}")
    for hit in miss.nearest:
        lines += [rendering.source(hit), rendering.quoted(hit.text)]
    return rendering.result(Reply(miss), "\n".join(lines))
