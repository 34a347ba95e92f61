"""The doctor's look at who writes answers and where they are kept. No model is called, for that may cost."""

import asyncio
from contextlib import closing
from urllib.parse import urlsplit
from urllib.request import getproxies

from mcp_rag import caching, compose
from mcp_rag.answering import redaction
from mcp_rag.cli.checks import Check, failed, fine, poor
from mcp_rag.errors import RagError
from mcp_rag.settings import Settings

PATIENCE = 5
"""Seconds that a service has to take a connection."""
KEY = "doctor"
PORTS = {"http": 80, "https": 443}


async def answering_check(settings: Settings) -> Check:
    name = "Answers"
    try:
        if settings.redact:
            redaction.require()
        writer = compose.create_answerer(settings)
    except RagError as error:
        return failed(name, error)
    if writer is None:
        lent = (
            "" if settings.answerer == "extractive" else "the client's own model where it lends that, else "
        )
        return fine(name, f"{lent}quotes")
    await writer.close()
    anthropic = writer.name == "anthropic"
    url = settings.anthropic_url if anthropic else settings.openai_url or compose.OPENAI
    found = f"{writer.name}, {writer.model}; not called"
    if not await _takes_connections(url):
        setting = "MCP_RAG_ANTHROPIC_URL" if anthropic else "MCP_RAG_OPENAI_URL"
        return poor(
            name,
            f"{found}, and its URL takes no connection: passages are quoted",
            f"Check {setting} and that the service runs.",
        )
    return fine(name, found)


async def keeping_check(settings: Settings) -> Check:
    name = "Kept answers"
    if settings.redis_url is None:
        return fine(name, "in each process, for an hour")
    try:
        cache = caching.create(settings.redis_url.get_secret_value())
    except RagError as error:
        return failed(name, error)
    await cache.put(KEY, "kept")
    kept = await cache.get(KEY)
    await cache.drop(KEY)
    await cache.close()
    if kept is None:
        return poor(
            name, "Redis keeps none: every answer is made anew", "Check MCP_RAG_REDIS_URL and that it runs."
        )
    return fine(name, "in Redis, for an hour")


async def _takes_connections(url: str) -> bool:
    """True too where a proxy stands between, which is not asked."""
    parts = urlsplit(url)
    if parts.scheme in getproxies():
        return True
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or PORTS.get(parts.scheme))
    except (
        OSError,
        ValueError,
    ):  # TimeoutError is an OSError; ValueError: it is no URL with a host and a port.
        return False
    with closing(writer):
        return True
