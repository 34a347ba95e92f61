"""Where answers are kept for a while: in this process, or in a Redis that several processes share."""

from typing import TYPE_CHECKING

from mcp_rag.errors import InvalidSettings

if TYPE_CHECKING:
    from mcp_rag.ports import Cache


def create(url: str | None) -> "Cache":
    """A cache in the Redis at the URL, or in this process where there is none. Nothing is connected yet.

    Raises:
        InvalidSettings: it is no URL of a Redis, or the package that speaks to one is not installed.
    """
    if not url:
        from mcp_rag.caching.memory import InProcess

        return InProcess()
    try:
        from mcp_rag.caching.redis import Redis
    except ModuleNotFoundError:
        raise InvalidSettings(
            "MCP_RAG_REDIS_URL is set, and the package redis is not installed.",
            remedy="Install it with `pip install 'mcp-rag-memory[redis]'`, or unset MCP_RAG_REDIS_URL.",
        ) from None
    return Redis(url)
