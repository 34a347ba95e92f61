"""A cache in Redis, for processes that stand side by side. A Redis that fails is a cache that has nothing."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from mcp_rag.errors import InvalidSettings
from mcp_rag.log import logger

log = logger()

PREFIX = "mcp-rag:answer:"
SWEEP = 5.0
"""Seconds for removing what was kept of something that was forgotten."""
# The last is for what speaks, but not as Redis does: a length that is no number, a line without an end.
_FAILURES = (RedisError, OSError, ValueError)


class Redis:
    """The port `Cache` over a pool of connections.

    A text is kept for `lifetime` seconds. A call takes `patience` seconds at most, connecting included. After
    one that failed Redis is left alone for `pause` seconds; then one call tries it while others still do not.

    Raises:
        InvalidSettings: it is no URL of a Redis.
    """

    def __init__(self, url: str, *, lifetime: int = 3600, patience: float = 0.25, pause: float = 5.0) -> None:
        self._client = _client(url)
        self._lifetime, self._patience = lifetime, patience
        self._absent = _Outage("cache is not reached", pause)
        self._unreadable = _Outage("cache refuses to be read", pause)
        self._unwritable = _Outage("cache refuses to be written", pause)

    async def get(self, key: str) -> str | None:
        reply = await self._reply(lambda: self._client.get(_bytes(PREFIX + key)), self._unreadable)
        return _text(reply) if isinstance(reply, bytes) else None

    async def put(self, key: str, text: str) -> None:
        name, value = _bytes(PREFIX + key), _bytes(text)
        await self._reply(lambda: self._client.set(name, value, ex=self._lifetime), self._unwritable)

    async def drop(self, beginning: str) -> None:
        """What Redis could not be asked to remove goes at the end of its lifetime."""
        await self._reply(lambda: self._sweep(beginning), self._unwritable, patience=SWEEP)

    async def _sweep(self, beginning: str) -> None:
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", _bytes(PREFIX + beginning)) + b"*"
        async for name in self._client.scan_iter(match=pattern, count=1000):
            await self._client.unlink(name)

    async def answers(self) -> bool:
        return await self._reply(lambda: self._client.ping(), self._unreadable) is not None

    async def close(self) -> None:
        with suppress(*_FAILURES):
            async with asyncio.timeout(self._patience):
                await self._client.aclose()

    async def _reply(
        self, ask: Callable[[], Awaitable[object]], refusal: "_Outage", *, patience: float | None = None
    ) -> object:
        """What Redis replies, or None where it does not, refuses, or is left alone."""
        if self._absent.rests or refusal.rests:
            return None
        self._absent.rest()
        refusal.rest()
        try:
            async with asyncio.timeout(patience or self._patience):
                reply = await ask()
        except ResponseError as error:
            self._absent.end()
            refusal.begin(error)
        except _FAILURES as error:
            self._absent.begin(error)
        else:
            self._absent.end()
            refusal.end()
            return reply
        return None


class _Outage:
    """From a first failure to the next success. It is logged once, as it begins and as it ends."""

    def __init__(self, event: str, pause: float) -> None:
        self._event, self._pause = event, pause
        self._lasts = False
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        return self._lasts and time.monotonic() < self._rests_until

    def rest(self) -> None:
        self._rests_until = time.monotonic() + self._pause

    def begin(self, error: Exception) -> None:
        if not self._lasts:
            log.warning(self._event, cause=_cause(error), retry_after=self._pause)
        self._lasts = True
        self.rest()

    def end(self) -> None:
        if self._lasts:
            log.info(f"{self._event}: no longer")
        self._lasts = False


def _client(url: str) -> redis.asyncio.Redis:
    try:
        if "@" in urlsplit(url)._replace(scheme="", netloc="").geturl():
            raise ValueError("part of a password would be taken for a path")
        # RESP 2 takes no greeting, and every Redis since 2.6.12 and its descendants speak it.
        client = redis.asyncio.Redis.from_url(
            url, protocol=2, socket_timeout=None, socket_connect_timeout=None, max_connections=1000
        )
        # What is wrong in the query of the URL is known only to a connection.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (ValueError, TypeError, RedisError):
        # The words of these errors, and their traceback, may have the password.
        raise InvalidSettings(
            "MCP_RAG_REDIS_URL is no URL of a Redis.",
            remedy="Begin it with redis://, rediss:// or unix://, and write @, : and / in a password as %40, "
            "%3A and %2F.",
        ) from None
    return client


def _cause(error: Exception) -> str:
    """Which error it was, without its words: a server may repeat the password in them."""
    within = error.__cause__ or error.__context__
    return type(within if isinstance(within, OSError | RedisError) else error).__name__


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(reply: bytes) -> str | None:
    try:
        return reply.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
