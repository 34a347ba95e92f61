"""How much a caller and a tenant may ask for in a while: calls, and what is stored.

Counted in the process, or in a Redis that several processes share. A Redis that is down stops nobody:
each process counts for itself until it is back.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from mcp_rag.errors import InvalidSettings, TooMuch
from mcp_rag.identity import Caller
from mcp_rag.log import logger

log = logger()

PATIENCE = 0.25
"""Seconds that a Redis is waited for."""
PREFIX = "mcp-rag:rate"
MEGABYTE = 2**20


@dataclass(frozen=True)
class Allowances:
    """0 is any number."""

    calls: int = 0
    """Of a caller, in a minute."""
    tenant_calls: int = 0
    """Of all callers of a tenant together, in a minute."""
    megabytes: int = 0
    """That a tenant may send to be stored, in a day."""


class SlidingRates:
    """The port `Rates`, in windows that slide."""

    def __init__(self, allowances: Allowances, *, redis_url: str | None = None) -> None:
        """Nothing is connected yet.

        Raises:
            InvalidSettings: the package that speaks to Redis is not installed.
        """
        self._allowances = allowances
        self._here = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._redis = _redis(redis_url) if redis_url else None
        self._shared = SlidingWindowCounterRateLimiter(self._redis) if self._redis else None

    async def call(self, caller: Caller) -> None:
        own, tenant = self._allowances.calls, self._allowances.tenant_calls
        if own:
            item = RateLimitItemPerMinute(own)
            await self._spend(item, [str(caller.tenant_id), caller.id], 1, f"{caller.name} made {own} calls")
        if tenant:
            item = RateLimitItemPerMinute(tenant)
            await self._spend(item, [str(caller.tenant_id)], 1, f"Callers of this tenant made {tenant} calls")

    async def store(self, caller: Caller, size: int) -> None:
        if most := self._allowances.megabytes:
            item = RateLimitItemPerDay(most * MEGABYTE)
            await self._spend(item, [str(caller.tenant_id)], size, f"This tenant stored {most} MiB")

    async def close(self) -> None:
        """Give connections back."""
        if self._redis is not None:
            assert isinstance(self._redis.bridge, RedispyBridge)
            await self._redis.bridge.storage.aclose()

    async def _spend(self, item: RateLimitItem, of: Sequence[str], cost: int, what: str) -> None:
        limiter, granted = await self._hit(item, of, cost)
        if not granted:
            stats = await limiter.get_window_stats(item, *of)
            seconds = max(1, round(stats.reset_time - time.time()))
            raise TooMuch(
                f"{what} in the last {item.GRANULARITY.name}, which is all that is allowed.",
                remedy=f"Try again in {seconds} s.",
                retry_after=seconds,
            )

    async def _hit(
        self, item: RateLimitItem, of: Sequence[str], cost: int
    ) -> tuple[SlidingWindowCounterRateLimiter, bool]:
        if self._shared is not None:
            try:
                return self._shared, await self._shared.hit(item, *of, cost=cost)
            except StorageError as error:
                log.warning("rates are counted here alone", cause=type(error.storage_error).__name__)
        return self._here, await self._here.hit(item, *of, cost=cost)


def _redis(url: str) -> RedisStorage:
    try:
        return RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=PREFIX,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
        )
    except ModuleNotFoundError:
        raise InvalidSettings(
            "MCP_RAG_REDIS_URL is set, and the package redis is not installed.",
            remedy="Install it with `pip install 'mcp-rag-memory[redis]'`, or unset MCP_RAG_REDIS_URL.",
        ) from None
