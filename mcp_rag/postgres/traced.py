"""A connection whose statements are told as parts of the call that they belong to."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

import asyncpg

from mcp_rag import tracing
from mcp_rag.postgres.queries import named

Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


def _traced(method: Method) -> Method:
    @wraps(method)
    async def run(self: object, query: str, *args: Any, **options: Any) -> Any:
        with tracing.statement(named(query)):
            return await method(self, query, *args, **options)

    return cast(Method, run)


class TracedConnection(asyncpg.Connection):
    """Of the driver's ways to run a statement, those that this project takes."""

    execute = _traced(asyncpg.Connection.execute)
    executemany = _traced(asyncpg.Connection.executemany)
    fetch = _traced(asyncpg.Connection.fetch)
    fetchrow = _traced(asyncpg.Connection.fetchrow)
    fetchval = _traced(asyncpg.Connection.fetchval)
