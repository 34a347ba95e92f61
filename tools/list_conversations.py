from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from mcp_rag.models import ConversationPage, Filters
from mcp_rag.tools import rendering
from mcp_rag.tools.door import Service
from mcp_rag.tools.parameters import Cursor, Since, Source, Tags, Until

LISTED = 20
"""Conversations of a page; fewer, where so many do not fit. The cursor goes on where it ends."""


async def list_conversations(
    rag: Service,
    title: Annotated[str | None, Field(description="Only with this in the title or id.")] = None,
    source: Source = None,
    tags: Tags = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, Field(ge=1, le=100)] = LISTED,
    cursor: Cursor = None,
) -> Annotated[CallToolResult, ConversationPage]:
    """List stored conversations and documents, the most recent first.

    Use it to see what there is, or to find a conversation by its title; use `search` for what was said.
    """
    filters = Filters(source=source, tags=tuple(tags or ()), since=since, until=until)
    budget = rendering.DEFAULT if limit <= LISTED else rendering.MOST
    while True:
        page = await rag.list_conversations(filters=filters, title=title, limit=limit, cursor=cursor)
        rendered = _render(page)
        if rendering.fits(rendered, budget) or limit == 1:
            return rendered
        limit = max(1, len(page.conversations) * 3 // 4)


def _render(page: ConversationPage) -> CallToolResult:
    lines = [
        rendering.headline(c.title, f"{c.message_count} messages", rendering.day(c.ended_at), c.source, c.uri)
        for c in page.conversations
    ]
    if page.next_cursor:
        lines.append(f"More: pass cursor={page.next_cursor}")
    return rendering.result(page, "\n".join(lines) or "Nothing is stored that fits.")
