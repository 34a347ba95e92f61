"""Claude.ai data export: `conversations.json`."""

from collections.abc import Iterator
from typing import Any

from mcp_rag.importers.reading import Items, Place, mappings, moment, string
from mcp_rag.models import NewConversation, NewMessage

SOURCE = "claude"
_SPEAKERS = {"human": "user"}


def recognises(item: object) -> bool:
    return isinstance(item, dict) and "chat_messages" in item


def read(item: dict[str, Any], place: Place) -> Items:
    """The conversation under its own uuid, and word on each message that is broken."""
    sent = item["chat_messages"]
    conversation_id = string(item.get("uuid"))
    if conversation_id is None or not isinstance(sent, list):
        yield place.unread(
            "it has no uuid" if conversation_id is None else "its chat_messages are not a list"
        )
        return
    messages: list[NewMessage] = []
    for number, message in enumerate(sent, 1):
        if isinstance(message, dict):
            messages.extend(_messages(message))
        else:
            yield place.within(f"message {number}").unread("it is not an object")
    if messages:
        yield NewConversation(
            conversation_id=conversation_id,
            title=string(item.get("name")),
            source=SOURCE,
            messages=tuple(messages),
        )
    else:
        yield place.unread("it has no message with text")


def _messages(message: dict[str, Any]) -> Iterator[NewMessage]:
    """What was typed, then each file that was pasted in with it as a message of its own."""
    sender, message_id = string(message.get("sender")), string(message.get("uuid"))
    speaker = _SPEAKERS.get(sender, sender) if sender else None
    sent_at = moment(message.get("created_at"))
    if text := _text(message):
        yield NewMessage(text=text, speaker=speaker, sent_at=sent_at, message_id=message_id)
    for number, attachment in enumerate(mappings(message.get("attachments")), 1):
        if content := string(attachment.get("extracted_content")):
            name = string(attachment.get("file_name"))
            yield NewMessage(
                text=f"{name}\n\n{content}" if name else content,
                speaker=speaker,
                sent_at=sent_at,
                message_id=f"{message_id}/attachments/{number}" if message_id else None,
            )


def _text(message: dict[str, Any]) -> str | None:
    blocks = [block for block in mappings(message.get("content")) if block.get("type") == "text"]
    texts = [text for block in blocks if (text := string(block.get("text")))]
    return "\n\n".join(texts) or string(message.get("text"))
