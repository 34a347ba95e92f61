"""The generic form: one JSON object per line, a message or a whole conversation."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mcp_rag.importers.lines import Record, grouped
from mcp_rag.importers.reading import Items, Place, Unread, aware, file_id
from mcp_rag.models import NewConversation, NewMessage

SOURCE = "jsonl"
_HEAD = ("title", "source", "kind")


def recognises(record: object) -> bool:
    return isinstance(record, dict) and ("text" in record or "messages" in record)


def read(path: Path) -> Items:
    """Conversations by their id, in the order of their first lines; those without take the file's name."""

    def conversation_id(record: Record) -> str:
        return _plain(record, "conversation_id") or file_id(path)

    for group in grouped(path, conversation_id):
        if isinstance(group, Unread):
            yield group
        else:
            yield from _conversation(
                group.key, ((Place(path=path, place=f"line {number}"), record) for number, record in group)
            )


def read_object(item: Record, place: Place) -> Items:
    """A conversation that stands in a JSON file of its own or in a list."""
    yield from _conversation(_plain(item, "conversation_id") or file_id(place.path), [(place, item)])


def _conversation(conversation_id: str, records: Iterable[tuple[Place, Record]]) -> Items:
    """One conversation from all its records: the first title, source and kind count, and the tags of all."""
    messages: list[NewMessage] = []
    head: dict[str, Any] = {}
    tags: dict[str, None] = {}
    for place, record in records:
        head = {"place": place} | {field: value for field in _HEAD if (value := _plain(record, field))} | head
        tags |= dict.fromkeys(_tags(record))
        for item in _messages(record, place):
            if isinstance(item, Unread):
                yield item
            else:
                messages.append(item)
    place = head.pop("place")
    if not messages:
        yield place.unread("the conversation has no message that can be read")
        return
    try:
        yield NewConversation(
            conversation_id=conversation_id,
            messages=tuple(messages),
            tags=tuple(tags),
            **{"source": SOURCE} | head,
        )
    except ValidationError as error:
        yield place.unread(_problem(error))


def _messages(record: Record, place: Place) -> Iterator[NewMessage | Unread]:
    sent = record.get("messages")
    if sent is None:
        yield _message(record, place)
    elif isinstance(sent, list):
        for number, message in enumerate(sent, 1):
            yield _message(message, place.within(f"message {number}"))
    else:
        yield place.unread("`messages` is not a list")


def _message(message: object, place: Place) -> NewMessage | Unread:
    if not isinstance(message, dict):
        return place.unread("it is not a JSON object")
    try:
        sent = NewMessage.model_validate(
            {field: message[field] for field in ("text", "speaker", "sent_at") if field in message}
            | {"message_id": _plain(message, "message_id")}
        )
    except ValidationError as error:
        return place.unread(_problem(error))
    return sent.model_copy(update={"sent_at": sent.sent_at and aware(sent.sent_at)})


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"`{first['loc'][0]}`: {first['msg']}"


def _plain(record: Record, field: str) -> str | None:
    """A name, which may have been written as a number."""
    value = record.get(field)
    return str(value) if value is not None and value != "" else None


def _tags(record: Record) -> list[str]:
    tags = record.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []
