"""What an agent can read, and what a person can pick."""

from typing import Any

from mcp.server.mcpserver import MCPServer

from mcp_rag.resources import conversations, prompts
from mcp_rag.resources.conversations import CurrentRag

__all__ = ["CurrentRag", "register"]


def register(server: MCPServer[Any], rag: CurrentRag) -> None:
    """Offer the resources, prompts and completions; `rag` gives the service when it is ready."""
    conversations.register(server, rag)
    prompts.register(server, rag)
