"""What an agent can read, and what a person can pick."""

from collections.abc import Collection
from typing import Any

from mcp.server.mcpserver import MCPServer

from mcp_rag.resources import conversations, prompts, subscriptions
from mcp_rag.resources.conversations import CurrentRag
from mcp_rag.resources.news import News

__all__ = ["CurrentRag", "News", "register"]


def register(server: MCPServer[Any], rag: CurrentRag, news: News, tools: Collection[str]) -> None:
    """Offer the resources with their news, prompts and completions; `rag` is the service when it is ready.

    `tools` are the names of those that are offered.
    """
    conversations.register(server, rag)
    prompts.register(server, rag, tools)
    subscriptions.register(server, rag, news)
