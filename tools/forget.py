from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, CancelledElicitation, DeclinedElicitation
from mcp.server.mcpserver import Context, Elicit, Resolve
from mcp.types import CallToolResult, ClientCapabilities
from pydantic import BaseModel, Field

from mcp_rag.models import Erasure
from mcp_rag.tools import rendering
from mcp_rag.tools.client_log import Logged
from mcp_rag.tools.door import Service

ConversationIds = Annotated[list[str] | None, Field(description="Which to forget, whole.")]
Position = Annotated[int | None, Field(ge=0, lt=10**9, description="Only this message of the one named.")]
Source = Annotated[str | None, Field(description="All that came from this source.")]
DryRun = Annotated[bool, Field(description="Only say what would go.")]


class Agreement(BaseModel):
    """What a person says to the question. There is no default, so that no client says it for them."""

    forget: bool = Field(title="Forget them", description="This cannot be undone.")


async def in_question(
    ctx: Context[Any, Any],
    rag: Service,
    conversation_ids: ConversationIds,
    position: Position,
    source: Source,
    dry_run: DryRun,
) -> Erasure | None:
    """What a person is to be asked about: more than one conversation, where the client can ask them."""
    if dry_run or not _can_ask(ctx.client_capabilities):
        return None
    meant = await rag.forget(conversation_ids=conversation_ids, source=source, position=position)
    return meant if len(meant.conversation_ids) > 1 else None


Asked = Annotated[Erasure | None, Resolve(in_question)]


async def agreement(asked: Asked) -> Elicit[Agreement] | None:
    if asked is None:
        return None
    count = len(asked.conversation_ids)
    return Elicit(f"Forget {count} conversations with {asked.messages} messages for good?", Agreement)


async def forget(
    rag: Service,
    log: Logged,
    asked: Asked,
    said: Annotated[
        AcceptedElicitation[Agreement] | DeclinedElicitation | CancelledElicitation, Resolve(agreement)
    ],
    conversation_ids: ConversationIds = None,
    position: Position = None,
    source: Source = None,
    dry_run: DryRun = True,
) -> Annotated[CallToolResult, Erasure]:
    """Erase conversations or one message for good, only when the user asks for it.

    Call it first as it is: it removes nothing and says what would go. Then, when the user agrees, repeat it
    with dry_run=false. What was forgotten is not stored again by a later import.
    """
    if asked is not None and not (isinstance(said, AcceptedElicitation) and said.data.forget):
        return _render(asked, "Nothing was removed: the user was asked, and did not agree.")
    receipt = await rag.forget(
        conversation_ids=conversation_ids, source=source, position=position, dry_run=dry_run, agreed=asked
    )
    told = _told(receipt)
    log("info", told)
    return _render(receipt, told)


def _render(receipt: Erasure, told: str) -> CallToolResult:
    """The text counts the conversations, also where there are too many to name them all."""
    ids = receipt.conversation_ids
    named = (ids[:count] for count in (len(ids), 300, 100, 10))
    shorter = (receipt.model_copy(update={"conversation_ids": some}) for some in named)
    return rendering.first_fitting((rendering.result(each, told) for each in shorter), rendering.MOST)


def _can_ask(declared: ClientCapabilities | None) -> bool:
    """A declaration without a mode is the form's: it is older than the other."""
    asks = declared.elicitation if declared is not None else None
    return asks is not None and (asks.form is not None or asks.url is None)


def _told(receipt: Erasure) -> str:
    counts = (
        f"{receipt.messages} messages, {receipt.passages} passages and {receipt.vectors} vectors of "
        f"{len(receipt.conversation_ids)} conversations"
    )
    if receipt.dry_run:
        return f"Nothing was removed. This would remove {counts}. Repeat with dry_run=false to do it."
    return f"Removed for good: {counts}."
