from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from mcp_rag.models import Erasure
from mcp_rag.tools import rendering
from mcp_rag.tools.door import Service


async def forget(
    rag: Service,
    conversation_ids: Annotated[list[str] | None, Field(description="Ids of those to forget, whole.")] = None,
    position: Annotated[
        int | None, Field(ge=0, lt=10**9, description="Only this message of the one named.")
    ] = None,
    source: Annotated[str | None, Field(description="All that came from this source.")] = None,
    dry_run: Annotated[bool, Field(description="Only say what would go.")] = True,
) -> Annotated[CallToolResult, Erasure]:
    """Erase conversations or one message for good, only when the user asks for it.

    Call it first as it is: it removes nothing and says what would go. Then, when the user agrees, repeat it
    with dry_run=false. What was forgotten is not stored again by a later import.
    """
    receipt = await rag.forget(
        conversation_ids=conversation_ids, source=source, position=position, dry_run=dry_run
    )
    return _render(receipt)


def _render(receipt: Erasure) -> CallToolResult:
    """The text counts the conversations, also where there are too many to name them all."""
    told, ids = _told(receipt), receipt.conversation_ids
    named = (ids[:count] for count in (len(ids), 300, 100, 10))
    shorter = (receipt.model_copy(update={"conversation_ids": some}) for some in named)
    return rendering.first_fitting((rendering.result(each, told) for each in shorter), rendering.MOST)


def _told(receipt: Erasure) -> str:
    counts = (
        f"{receipt.messages} messages, {receipt.passages} passages and {receipt.vectors} vectors of "
        f"{len(receipt.conversation_ids)} conversations"
    )
    if receipt.dry_run:
        return f"Nothing was removed. This would remove {counts}. Repeat with dry_run=false to do it."
    return f"Removed for good: {counts}."
