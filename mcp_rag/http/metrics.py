"""What was measured, for Prometheus to read."""

import asyncio
import time
from datetime import UTC, datetime
from math import nan

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_rag import telemetry
from mcp_rag.errors import StoreError
from mcp_rag.log import logger
from mcp_rag.postgres.aside import Tally

PATIENCE = 2.0
"""Seconds that a reader waits for what is being counted; after that, the last count is told."""
REST = 15.0
"""Seconds at least between two counts."""
SHARE = 20
"""A count that takes long is repeated after so many times as long: counting is a small part of all work."""

log = logger()


class Metrics:
    """Answers with all instruments; what only the database knows is counted when somebody asks."""

    def __init__(self, tally: Tally, *, tenants: int) -> None:
        """`tenants` is how many are told of by name, at most; with 0 none is told of at all."""
        self._tally, self._tenants = tally, tenants
        self._counting: asyncio.Task[None] | None = None
        self._next = 0.0

    async def read(self, request: Request) -> Response:
        await self._renew()
        text, media_type = telemetry.exposition(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    async def close(self) -> None:
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait({self._counting})
        self._tally.close()

    async def _renew(self) -> None:
        if (self._counting is None or self._counting.done()) and time.monotonic() >= self._next:
            self._counting = asyncio.create_task(self._count())
        if self._counting is not None:
            await asyncio.wait({self._counting}, timeout=PATIENCE)

    async def _count(self) -> None:
        begun = time.monotonic()
        await self._count_backlog()
        if self._tenants:
            await self._count_tenants()
        took = time.monotonic() - begun
        self._next = begun + max(REST, SHARE * took)

    async def _count_backlog(self) -> None:
        try:
            found = await self._tally.count()
        except StoreError as error:
            log.warning("backlog not counted", cause=error.cause)
            telemetry.backlog(nan, nan)
        else:
            age = (datetime.now(UTC) - found.oldest).total_seconds() if found.oldest else 0.0
            telemetry.backlog(found.waiting, max(0.0, age))

    async def _count_tenants(self) -> None:
        try:
            found = await self._tally.usage(self._tenants, datetime.now(UTC).date())
        except StoreError as error:
            log.warning("tenants not counted", cause=error.cause)
            # Which of them there are is not known either.
            telemetry.tenants({}, {})
        else:
            telemetry.tenants(found.passages, found.tokens)


def routes(metrics: Metrics) -> list[Route]:
    return [Route("/metrics", metrics.read)]
