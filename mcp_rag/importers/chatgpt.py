"""ChatGPT data export: `conversations.json`."""

from typing import Any

from mcp_rag.importers.reading import Items, Place, moment, string
from mcp_rag.models import NewConversation, NewMessage

SOURCE = "chatgpt"


def recognises(item: object) -> bool:
    return isinstance(item, dict) and "mapping" in item


def read(item: dict[str, Any], place: Place) -> Items:
    """The branch of the conversation that is shown, without what tools and the system said."""
    conversation_id = string(item.get("conversation_id")) or string(item.get("id"))
    if conversation_id is None or not isinstance(item["mapping"], dict):
        yield place.unread("it has no id" if conversation_id is None else "its mapping is not an object")
        return
    nodes = {key: node for key, node in item["mapping"].items() if isinstance(node, dict)}
    branch = _branch(nodes, item.get("current_node"))
    messages = tuple(message for node in branch if (message := _message(node)))
    if messages:
        title = string(item.get("title"))
        yield NewConversation(conversation_id=conversation_id, title=title, source=SOURCE, messages=messages)
    else:
        yield place.unread("it has no message with text")


def _branch(nodes: dict[str, dict[str, Any]], leaf: object) -> list[dict[str, Any]]:
    """The nodes from the root to the leaf; of a damaged tree, even with a ring, those that hang together."""
    here = leaf if isinstance(leaf, str) and leaf in nodes else _latest_leaf(nodes)
    path: dict[str, dict[str, Any]] = {}
    while isinstance(here, str) and here in nodes and here not in path:
        path[here] = nodes[here]
        here = nodes[here].get("parent")
    return list(reversed(path.values()))


def _latest_leaf(nodes: dict[str, dict[str, Any]]) -> str | None:
    def created(key: str) -> float:
        when = moment(_object(nodes[key].get("message")).get("create_time"))
        return when.timestamp() if when else float("-inf")

    return max((key for key, node in nodes.items() if not node.get("children")), key=created, default=None)


def _message(node: dict[str, Any]) -> NewMessage | None:
    message = _object(node.get("message"))
    speaker = _object(message.get("author")).get("role")
    hidden = _object(message.get("metadata")).get("is_visually_hidden_from_conversation")
    text = _text(_object(message.get("content")))
    # A message to anyone but all is a call of a tool.
    if speaker not in ("user", "assistant") or hidden or message.get("recipient", "all") != "all" or not text:
        return None
    return NewMessage(
        text=text,
        speaker=speaker,
        sent_at=moment(message.get("create_time")),
        message_id=string(message.get("id")) or string(node.get("id")),
    )


def _text(content: dict[str, Any]) -> str:
    if content.get("content_type") not in (None, "text", "multimodal_text"):
        return ""
    parts = content.get("parts")
    texts = [string(_spoken(part)) for part in parts] if isinstance(parts, list) else []
    return "\n\n".join(text for text in texts if text)


def _spoken(part: object) -> object:
    """A part that was typed, or the transcript of one that was said aloud."""
    return part.get("text") if isinstance(part, dict) else part


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
