"""Who writes answers. Nothing heavy is imported before one is asked for."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_rag.ports import Answerer

SILENCE = 20.0
"""Seconds that a model service may say nothing."""


def anthropic(model: str, *, api_key: str, url: str, max_tokens: int) -> "Answerer":
    """Claude, over the Messages API."""
    from mcp_rag.answering.anthropic import AnthropicAnswerer
    from mcp_rag.answering.guarded import Guarded

    return Guarded(AnthropicAnswerer(model, api_key=api_key, url=url, max_tokens=max_tokens, timeout=SILENCE))


def openai(model: str, *, api_key: str | None, url: str, max_tokens: int) -> "Answerer":
    """Any service that speaks OpenAI's chat completions."""
    from mcp_rag.answering.guarded import Guarded
    from mcp_rag.answering.openai import OpenAIAnswerer

    return Guarded(OpenAIAnswerer(model, api_key=api_key, url=url, max_tokens=max_tokens, timeout=SILENCE))
