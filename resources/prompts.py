"""Prompts that a person picks, and the completion of their arguments."""

import unicodedata
from collections.abc import Callable, Collection
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer, UserMessage
from mcp.types import Completion
from pydantic import Field

from mcp_rag.errors import RagError
from mcp_rag.models import Address, Completed
from mcp_rag.resources.conversations import CurrentRag, refused

MOST_COMPLETIONS = 100
COMPLETED: dict[str, Completed] = {
    "conversation_id": "conversation_ids",
    "speaker": "speakers",
    "source": "sources",
    "tag": "tags",
}
"""What an argument of a prompt or of an address is completed to."""


def recall(
    topic: Annotated[str, Field(description="What it was about.")],
    speaker: Annotated[str | None, Field(description="Only what this person said.")] = None,
    source: Annotated[str | None, Field(description="Only what came from there.")] = None,
    tag: Annotated[str | None, Field(description="Only conversations with this tag.")] = None,
) -> list[UserMessage]:
    """Gather what past conversations say about a topic, with dates and sources."""
    filters = {"speaker": speaker, "source": source, "tags": tag and [tag]}
    given = ", ".join(f"{name}={value!r}" for name, value in filters.items() if value)
    return [
        UserMessage(
            f"Use the `search` tool{given and f' with {given}'} to find what was said about “{topic}” in "
            "past conversations. Search again in other words if little turns up. Then tell me, oldest "
            "first, what was said and decided, by whom and when, each with the address of its source. "
            "Say plainly what you did not find."
        )
    ]


def continue_conversation(
    conversation_id: Annotated[str, Field(description="Id of a stored conversation.")],
) -> list[UserMessage]:
    """Pick up a stored conversation where it was left."""
    uri = Address(conversation_id=conversation_id).uri
    return [
        UserMessage(
            f"Read {uri} with the `fetch` tool, all of it. Sum up in three sentences where we were, name "
            "what was left open, and continue from there with me."
        )
    ]


PROMPTS: dict[str, tuple[str, Callable[..., list[UserMessage]]]] = {
    "search": ("Recall what was said", recall),
    "fetch": ("Continue a conversation", continue_conversation),
}
"""By the tool that each tells the model to use: without it there is no prompt."""


def register(server: MCPServer[Any], rag: CurrentRag, tools: Collection[str]) -> None:
    for tool, (title, prompt) in PROMPTS.items():
        if tool in tools:
            server.prompt(title=title)(prompt)

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # so in the SDK
    async def complete(ref: Any, argument: Any, context: Any) -> Completion | None:
        kind = COMPLETED.get(argument.name)
        if kind is None or not _may_begin_a_name(argument.value):
            return None
        try:
            found = await (await rag()).complete(kind, argument.value, limit=MOST_COMPLETIONS + 1)
        except RagError as error:
            raise refused(error) from error
        return Completion(values=found[:MOST_COMPLETIONS], has_more=len(found) > MOST_COMPLETIONS)


def _may_begin_a_name(text: str) -> bool:
    """Control characters and lone surrogates are in no name, and the database would refuse them."""
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in text)
