"""The verbs an agent can call. This file is the whole offer; each verb has a file of its own."""

from mcp.types import ToolAnnotations

from mcp_rag.tools.ask import ask
from mcp_rag.tools.door import offer
from mcp_rag.tools.fetch import fetch
from mcp_rag.tools.forget import forget
from mcp_rag.tools.ingest import ingest
from mcp_rag.tools.list_conversations import list_conversations
from mcp_rag.tools.search import search

READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
ERASES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)

TOOLS = [
    offer(search, title="Search past conversations", annotations=READS, scope="read"),
    offer(ask, title="Answer from past conversations", annotations=READS, scope="read"),
    offer(fetch, title="Read a conversation", annotations=READS, scope="read"),
    offer(list_conversations, title="List conversations", annotations=READS, scope="read"),
    offer(ingest, title="Remember a conversation", annotations=WRITES, scope="write"),
    offer(forget, title="Forget a conversation", annotations=ERASES, scope="erase"),
]
