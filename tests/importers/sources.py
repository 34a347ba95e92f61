"""Sources of every form, made by hand and as small as they can be."""

from pathlib import Path
from typing import Any

from mcp_rag.importers import Unread, read
from mcp_rag.models import NewConversation

EXAMPLES = Path(__file__).parents[2] / "examples"

Reading = tuple[list[NewConversation], list[Unread]]


def everything(path: Path, **options: Any) -> Reading:
    """What was read and what was not."""
    items = list(read(path, **options))
    return (
        [item for item in items if isinstance(item, NewConversation)],
        [item for item in items if isinstance(item, Unread)],
    )


def claude_message(number: int, text: str, sender: str = "human", **more: Any) -> dict[str, Any]:
    return {
        "uuid": f"m{number}",
        "text": text,
        "content": [{"type": "text", "text": text, "citations": []}],
        "sender": sender,
        "created_at": f"2026-03-01T10:{number:02d}:00.000000Z",
        "attachments": [],
        "files": [],
    } | more


def claude_conversation(uuid: str, *messages: Any, name: str = "A talk") -> dict[str, Any]:
    return {"uuid": uuid, "name": name, "account": {"uuid": "a"}, "chat_messages": list(messages)}


def chatgpt_node(
    key: str, parent: str | None, text: str | None, role: str = "user", **more: Any
) -> dict[str, Any]:
    message = {
        "id": key,
        "author": {"role": role},
        "create_time": 1_760_000_000.5,
        "content": {"content_type": "text", "parts": [text]},
        "recipient": "all",
    }
    return {
        "id": key,
        "parent": parent,
        "children": [],
        "message": message | more if text is not None else None,
    }


def chatgpt_conversation(*nodes: dict[str, Any], current: str | None = None, **more: Any) -> dict[str, Any]:
    mapping = {node["id"]: node for node in nodes}
    for node in nodes:
        if node["parent"] in mapping:
            mapping[node["parent"]]["children"].append(node["id"])
    return {"conversation_id": "g1", "title": "Tree", "mapping": mapping, "current_node": current} | more
