from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from mcp_rag.errors import InvalidInput
from mcp_rag.models import Kind, NewMessage, Receipt, Skipped
from mcp_rag.tools import rendering
from mcp_rag.tools.client_log import Logged
from mcp_rag.tools.door import Service
from mcp_rag.tools.progress import Reported

SHOWN = 10
"""Skipped messages that the text names; the structured content has as many as there is room for."""


async def ingest(
    conversation_id: Annotated[str, Field(description="Any stable name; the same name adds to it.")],
    rag: Service,
    progress: Reported,
    log: Logged,
    content: Annotated[str | None, Field(description="One text, instead of messages.")] = None,
    messages: Annotated[list[NewMessage] | None, Field(description="Messages, oldest first.")] = None,
    title: str | None = None,
    source: Annotated[str | None, Field(description="Where it came from, e.g. 'claude'.")] = None,
    tags: list[str] | None = None,
    kind: Annotated[
        Kind | None, Field(description="A 'document' is replaced when sent again; a 'chat' grows.")
    ] = None,
    restore: Annotated[bool, Field(description="Store it even if it was forgotten.")] = False,
) -> Annotated[CallToolResult, Receipt]:
    """Store a conversation, note or document, only when the user asks to keep or remember it.

    Safe to repeat: what is stored stays, an edited message (same message_id) is replaced,
    and the receipt says what was done and what was skipped.
    """
    if (content is None) == (messages is None):
        raise InvalidInput("Both or neither of content and messages are given.", remedy="Give one of them.")
    sent = [NewMessage(text=content)] if content is not None else messages or []
    receipt = await rag.ingest(
        conversation_id,
        sent,
        title=title,
        source=source,
        tags=tags,
        kind=kind,
        restore=restore,
        progress=progress,
    )
    log("info", _counted(receipt))
    if receipt.skipped:
        log("warning", " ".join(map(_why, receipt.skipped[:SHOWN])))
    return _render(receipt)


def _render(receipt: Receipt) -> CallToolResult:
    """The text counts what was skipped, also where not all of it is named."""
    told, skipped = _told(receipt), receipt.skipped
    named = (skipped[:count] for count in (len(skipped), 100, SHOWN, 0))
    shorter = (receipt.model_copy(update={"skipped": some}) for some in named)
    return rendering.first_fitting((rendering.result(each, told) for each in shorter), rendering.MOST)


def _told(receipt: Receipt) -> str:
    lines = [_counted(receipt), *map(_why, receipt.skipped[:SHOWN])]
    if receipt.job:
        lines.append(
            f"{receipt.pending} passages are not found by meaning yet: `fetch` {receipt.job} to see."
        )
    return "\n".join(lines)


def _counted(receipt: Receipt) -> str:
    counts = f"{receipt.added} added, {receipt.updated} updated, {receipt.unchanged} unchanged"
    removed = f", {receipt.removed} removed" if receipt.removed else ""
    return f"{receipt.uri or receipt.conversation_id}: {counts}{removed}, {len(receipt.skipped)} skipped."


def _why(skip: Skipped) -> str:
    return f"{'All' if skip.index is None else f'Message {skip.index}'} {skip.reason}."
