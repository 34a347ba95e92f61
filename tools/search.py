from typing import Annotated, Literal

from mcp.types import CallToolResult
from pydantic import Field

from mcp_rag.models import Filters, SearchResult
from mcp_rag.tools import rendering
from mcp_rag.tools.client_log import Logged
from mcp_rag.tools.door import Service
from mcp_rag.tools.parameters import (
    ConversationId,
    Cursor,
    MaxTokens,
    Since,
    Source,
    Speaker,
    Tags,
    Until,
)


async def search(
    query: Annotated[str, Field(description="What to look for, in plain words.")],
    rag: Service,
    log: Logged,
    limit: Annotated[int, Field(ge=1, le=50)] = 8,
    conversation_id: ConversationId = None,
    speaker: Speaker = None,
    source: Source = None,
    tags: Tags = None,
    since: Since = None,
    until: Until = None,
    response_format: Annotated[
        Literal["concise", "detailed"], Field(description="Snippets, or whole passages.")
    ] = "concise",
    context: Annotated[int, Field(ge=0, le=3, description="Messages around a hit.")] = 1,
    accurate: Annotated[bool, Field(description="Better order, 0.2 s slower.")] = False,
    explain: Annotated[bool, Field(description="Why each ranked.")] = False,
    max_tokens: MaxTokens = rendering.DEFAULT,
    cursor: Cursor = None,
) -> Annotated[CallToolResult, SearchResult]:
    """Find what was said or written in past conversations and documents.

    Use it first whenever the user refers to something from before: "what did we decide",
    "you told me". Matches words and meaning; best first, with date, speaker and address. Confidence
    "none" means the store probably has nothing on it: rephrase once, then say so. Read around a hit with
    `fetch`.
    """
    found = await rag.search(
        query,
        limit=limit,
        filters=Filters.of(
            conversation_id=conversation_id,
            speaker=speaker,
            source=source,
            tags=tags,
            since=since,
            until=until,
        ),
        cursor=cursor,
        whole=response_format == "detailed",
        context=context,
        accurate=accurate,
        explain=explain,
        fits=lambda page: rendering.fits(render(page), max_tokens),
    )
    log("info", _shown(found))
    if found.notice:
        log("warning", found.notice)
    return render(found)


def render(found: SearchResult) -> CallToolResult:
    lines = [_shown(found), *([found.notice] if found.notice else [])]
    if found.results:
        lines.append(rendering.QUOTED)
    for n, hit in enumerate(found.results, 1):
        lines += [f"[{n}] {rendering.source(hit)}", *rendering.in_context(hit)]
        if hit.why:
            lines.append(rendering.reasons(hit.why))
    if found.omitted:
        lines.append(f"{found.omitted} more hits of this page left out to stay within max_tokens.")
    if found.next_cursor:
        lines.append(f"More: pass cursor={found.next_cursor}, or narrow with since, speaker or source.")
    return rendering.result(found, "\n".join(lines), [rendering.link(hit) for hit in found.results])


def _shown(found: SearchResult) -> str:
    return f"{len(found.results)} of {found.total} hits, confidence {found.confidence}, {found.mode}."
