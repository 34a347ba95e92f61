from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from mcp_rag import jobs
from mcp_rag.errors import InvalidInput, UnknownConversation
from mcp_rag.models import Address, Extract, Frozen, Job, Message
from mcp_rag.tools import rendering
from mcp_rag.tools.door import Service
from mcp_rag.tools.parameters import MaxTokens


class Fetched(Frozen):
    """A stretch of a conversation. `text` has one quoted block per message."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, str | int | None]
    next_position: int | None = Field(None, description="Where the rest begins: pass it as `first`.")


async def fetch(
    rag: Service,
    id: Annotated[str | None, Field(description="A hit's id, or a conversation_id.")] = None,
    uri: Annotated[str | None, Field(description="A hit's url or a job, instead of id.")] = None,
    around: Annotated[int, Field(ge=0, le=50, description="Neighbours of a message on each side.")] = 3,
    first: Annotated[
        int | None, Field(ge=0, lt=10**9, description="Read on from here: next_position of the part before.")
    ] = None,
    max_tokens: MaxTokens = rendering.DEFAULT,
) -> Annotated[CallToolResult, Fetched]:
    """Read a conversation, or a message with what was said around it, word for word.

    Use it after `search` to see a hit in its context. A long conversation comes in parts: next_position says
    where the next begins.
    """
    if (id is None) == (uri is None):
        raise InvalidInput("Both or neither of id and uri are given.", remedy="Give one of them.")
    given = uri or "" if id is None else id
    if given.startswith(jobs.SCHEME):
        return _told(await rag.job(given.removeprefix(jobs.SCHEME)))
    address = Address.parse(given)
    if first is not None:
        address = Address(conversation_id=address.conversation_id)
    try:
        extract = await rag.fetch(address, around=around, first=first or 0)
    except UnknownConversation:
        # "issue#12" looks like a message's id and may be a conversation's.
        if given != Address.parse(given).id or address.conversation_id == given:
            raise
        address = Address(conversation_id=given)
        extract = await rag.fetch(address, first=first or 0)
    return _within(address, extract, max_tokens)


def _told(job: Job) -> CallToolResult:
    left = f"{job.waiting} wait" if job.waiting else "nothing is left to do"
    aside = f", {job.set_aside} could not be embedded" if job.set_aside else ""
    text = f"{job.state}: {job.embedded} of {job.passages} passages are found by meaning, {left}{aside}."
    fetched = Fetched(
        id=job.uri,
        title=f"Job of {job.conversation_id}",
        text=text,
        url=job.uri,
        metadata=job.model_dump(exclude={"uri"}),
    )
    return rendering.result(fetched, f"{rendering.headline(fetched.title, job.uri)}\n{text}")


def _within(address: Address, extract: Extract, max_tokens: int) -> CallToolResult:
    """As many whole messages as the budget holds, the asked one among them; a single one may be cut."""
    messages = list(extract.messages)
    rendered = _render(address, extract, messages)
    while len(messages) > 1 and not rendering.fits(rendered, max_tokens):
        messages = _fewer(messages, address.position)
        rendered = _render(address, extract, messages)
    if rendering.fits(rendered, max_tokens) or not messages:
        return rendered
    return _cut(address, extract, messages[0], max_tokens)


def _fewer(messages: list[Message], wanted: int | None) -> list[Message]:
    """Drop about a tenth, from the end that is further from the wanted message."""
    drop = max(1, len(messages) // 10)
    after = messages[-1].position - wanted if wanted is not None else 1
    before = wanted - messages[0].position if wanted is not None else 0
    return messages[:-drop] if after >= before else messages[drop:]


def _cut(address: Address, extract: Extract, message: Message, max_tokens: int) -> CallToolResult:
    whole = Address(conversation_id=address.conversation_id, position=message.position).uri
    length = len(message.text)
    while length > 1:
        length = length * 2 // 3
        rest = f"… [{len(message.text) - length} characters more: raise max_tokens, or read {whole}]"
        part = message.model_copy(update={"text": message.text[:length] + rest})
        rendered = _render(address, extract, [part])
        if rendering.fits(rendered, max_tokens):
            break
    return rendered


def _render(address: Address, extract: Extract, messages: list[Message]) -> CallToolResult:
    conversation = extract.conversation
    text = "\n".join(_block(message) for message in messages)
    last = messages[-1].position if messages else -1
    later = (m.position for m in extract.messages if m.position > last)
    next_position = next(later, extract.next_position)
    fetched = Fetched(
        id=address.id,
        title=conversation.title or conversation.conversation_id,
        text=text,
        url=address.uri,
        metadata={
            "conversation_id": conversation.conversation_id,
            "source": conversation.source,
            "message_count": conversation.message_count,
        },
        next_position=next_position,
    )
    more = f"\nMore: pass first={next_position}." if next_position is not None else ""
    head = rendering.headline(fetched.title, fetched.url)
    return rendering.result(fetched, f"{head}\n{rendering.QUOTED}\n{text}{more}")


def _block(message: Message) -> str:
    head = rendering.headline(f"#{message.position}", message.speaker, rendering.day(message.sent_at))
    return f"{head}\n{rendering.quoted(message.text)}"
