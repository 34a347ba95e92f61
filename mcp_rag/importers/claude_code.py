"""Claude Code sessions: the `.jsonl` files under `~/.claude/projects`."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

from mcp_rag.importers.lines import Group, Record, grouped
from mcp_rag.importers.reading import Items, Place, Unread, mappings, moment, string
from mcp_rag.models import NewConversation, NewMessage

SOURCE = "claude-code"
# Written by the program in the user's name.
_NOT_SAID = re.compile(
    r"\s*<(?:command-|local-command-|system-reminder|bash-stdout|bash-stderr|task-notification)"
)
_FLAGS = ("isMeta", "isSidechain", "isCompactSummary", "isApiErrorMessage")


def recognises(record: Record) -> bool:
    return "sessionId" in record and "type" in record


def read(path: Path) -> Items:
    """Each session with what the user and the assistant said, without tools, thinking and sub-agents."""
    summaries: dict[str, str] = {}

    def session(record: Record) -> str | None:
        if record.get("type") == "summary" and (summary := string(record.get("summary"))):
            summaries[str(record.get("leafUuid"))] = summary
        return string(record.get("sessionId"))

    for group in grouped(path, session):
        yield group if isinstance(group, Unread) else _conversation(group, summaries, Place(path=path))


def _conversation(group: Group, summaries: dict[str, str], place: Place) -> NewConversation | Unread:
    messages: list[NewMessage] = []
    titles: dict[str, str | None] = {}
    folder = None
    for _, record in group:
        folder = folder or string(record.get("cwd"))
        titles["customTitle"] = string(record.get("customTitle")) or titles.get("customTitle")
        titles["aiTitle"] = string(record.get("aiTitle")) or titles.get("aiTitle")
        titles["summary"] = summaries.get(str(record.get("uuid"))) or titles.get("summary")
        messages.extend(_messages(record))
    if not messages:
        return place.within(f"session {group.key}").unread("nobody says anything in it")
    return NewConversation(
        conversation_id=group.key,
        title=next((title for title in titles.values() if title), None),
        source=SOURCE,
        tags=(name,) if folder and (name := _last_part(folder)) else (),
        messages=tuple(messages),
    )


def _messages(record: Record) -> Iterator[NewMessage]:
    message = record.get("message")
    spoken = record.get("type") in ("user", "assistant") and not any(record.get(flag) for flag in _FLAGS)
    if spoken and isinstance(message, dict) and (text := _text(message.get("content"))):
        yield NewMessage(
            text=text,
            speaker=record["type"],
            sent_at=moment(record.get("timestamp")),
            message_id=string(record.get("uuid")),
        )


def _text(content: Any) -> str:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else mappings(content)
    texts = [string(block.get("text")) for block in blocks if block.get("type") == "text"]
    return "\n\n".join(text for text in texts if text and not _NOT_SAID.match(text))


def _last_part(folder: str) -> str:
    return (PureWindowsPath(folder) if "\\" in folder else PurePath(folder)).name
