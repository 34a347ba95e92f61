"""Leaves an answerer alone that fails again and again, so that nobody waits for it in vain."""

import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from mcp_rag.errors import AnsweringFailed, Declined
from mcp_rag.models import Claim, Spent, Wanted
from mcp_rag.ports import Answerer, Brief


class Guarded:
    """An `Answerer` around another. After `threshold` failures in a row it fails at once, for `rest` seconds.

    Then one more failure is enough for another rest. A question that the model declines is no failure; one
    that is given up by who asked it is neither failure nor success.
    """

    def __init__(self, answerer: Answerer, *, threshold: int = 5, rest: float = 30.0) -> None:
        self._answerer = answerer
        self._rest = rest
        self._breakers = AsyncCircuitBreakerFactory(default_threshold=threshold, default_ttl=rest)

    @property
    def name(self) -> str:
        return self._answerer.name

    @property
    def model(self) -> str | None:
        return self._answerer.model

    async def write(self, brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        breaker = await self._breakers.get_breaker(self.name)
        # Not `async with`: that would take a question given up for one that was answered.
        try:
            await breaker.__aenter__()
        except OpenedState as opened:
            raise self._resting(opened.opened_at) from None
        try:
            async with aclosing(self._answerer.write(brief)) as pieces:
                async for piece in pieces:
                    yield piece
        except Declined:
            await breaker.__aexit__(None, None, None)
            raise
        except AnsweringFailed as failure:
            await breaker.__aexit__(type(failure), failure, failure.__traceback__)
            raise
        await breaker.__aexit__(None, None, None)

    async def close(self) -> None:
        await self._answerer.close()

    def _resting(self, since: float) -> AnsweringFailed:
        seconds = max(1, math.ceil(since + self._rest - time.time()))
        return AnsweringFailed(
            f"The model {self.model or self.name} failed again and again, and is left alone for another "
            f"{seconds} s."
        )
