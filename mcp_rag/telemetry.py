"""What is measured. Any room observes through these, and none knows who reads them, or how.

No label has a value that a caller chose: no conversation, no path, no question. Tenants have their names from
the operator, who also sets how many of them are told of.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from mcp_rag import tracing

T = TypeVar("T")

# A second series beside each, for a time that nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # so in the library
INSTRUMENTS = CollectorRegistry()
ProcessCollector(registry=INSTRUMENTS)
PlatformCollector(registry=INSTRUMENTS)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
FAILURES = (500, 503)
"""What failed is told as 0 from the first request of its route on: no rate sees that a series began at 1."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_requests = Counter(
    "http_requests",
    "HTTP requests, by route; 'unmatched' is what no route was reached for.",
    ["method", "route", "status"],
    registry=INSTRUMENTS,
)
_request_seconds = Histogram(
    "http_request_duration_seconds",
    "Until the answer was complete; of a stream of events, until it began.",
    ["method", "route"],
    buckets=SECONDS,
    registry=INSTRUMENTS,
)
_tool_calls = Counter(
    "mcp_tool_calls",
    "Calls of MCP tools: ok, refused (the caller can do something about it), failed, cancelled.",
    ["tool", "outcome"],
    registry=INSTRUMENTS,
)
_tool_seconds = Histogram(
    "mcp_tool_call_duration_seconds",
    "Until the result was there.",
    ["tool"],
    buckets=SECONDS,
    registry=INSTRUMENTS,
)
_turned_away = Counter(
    "mcp_rag_calls_turned_away",
    "Calls that came while as many waited as may: the queue was full.",
    registry=INSTRUMENTS,
)
_stage_seconds = Histogram(
    "mcp_rag_retrieval_stage_duration_seconds",
    "Stages of a search. 'legs' is by words and by meaning together: one statement asks both.",
    ["stage"],
    buckets=SECONDS,
    registry=INSTRUMENTS,
)
_backlog = Gauge(
    "mcp_rag_embedding_backlog_passages",
    "Passages that wait for a vector, in the whole database: every process tells the same.",
    registry=INSTRUMENTS,
)
_backlog_age = Gauge(
    "mcp_rag_embedding_backlog_oldest_seconds",
    "Since the conversation of the passage that waits longest was changed; 0 where none waits.",
    registry=INSTRUMENTS,
)
_tenant_passages = Gauge(
    "mcp_rag_tenant_passages",
    "Passages stored, of the tenants with the most; of all others together where tenant is empty.",
    ["tenant"],
    registry=INSTRUMENTS,
)
_tenant_tokens = Gauge(
    "mcp_rag_tenant_model_tokens_today",
    "Tokens that models read and wrote since midnight UTC; tenants as of mcp_rag_tenant_passages.",
    ["tenant"],
    registry=INSTRUMENTS,
)
_embedded = Counter(
    "mcp_rag_embedding_passages",
    "Passages that this process was to embed: embedded, or failed (the model cannot embed it; tried again).",
    ["outcome"],
    registry=INSTRUMENTS,
)
_batches = Counter(
    "mcp_rag_embedding_batches",
    "Batches of passages that this process has embedded and stored.",
    registry=INSTRUMENTS,
)
_interruptions = Counter(
    "mcp_rag_embedding_interruptions",
    "Times that embedding had to wait, because the model or the database failed.",
    ["cause"],
    registry=INSTRUMENTS,
)
_tokens = Counter(
    "mcp_rag_model_tokens",
    "Tokens that models read (in) and wrote (out) for answers.",
    ["direction"],
    registry=INSTRUMENTS,
)
_cache = Counter(
    "mcp_rag_answer_cache_requests",
    "Questions whose answer was kept (hit) or was not (miss).",
    ["result"],
    registry=INSTRUMENTS,
)
_connections = Gauge(
    "mcp_rag_database_connections",
    "Database connections of the pool that are used, and tasks that are waiting for one.",
    ["state"],
    registry=INSTRUMENTS,
)
_connections_most = Gauge(
    "mcp_rag_database_connections_max",
    "Database connections that the pool may have.",
    registry=INSTRUMENTS,
)
_connection_seconds = Histogram(
    "mcp_rag_database_connection_wait_seconds",
    "Until a database connection was to be had.",
    buckets=SECONDS,
    registry=INSTRUMENTS,
)
# What never happened is told as 0, so that a rate of it can be asked for.
_read, _written = _tokens.labels("in"), _tokens.labels("out")
_hit, _missed = _cache.labels("hit"), _cache.labels("miss")
_vectors, _failures = _embedded.labels("embedded"), _embedded.labels("failed")
_without_model, _without_database = _interruptions.labels("model"), _interruptions.labels("database")
_used, _waiting = _connections.labels("used"), _connections.labels("waiting")

Outcome = Literal["ok", "refused", "failed", "cancelled"]
Stage = Literal["understanding", "embedding", "legs", "ranking", "reranking"]


@dataclass
class ToolCall:
    """A call that is under way; failed, unless somebody says otherwise."""

    outcome: Outcome = "failed"


def requested(method: str, route: str, status: int, seconds: float) -> None:
    """An HTTP request was answered. `route` is the template, never the path."""
    method = method if method in METHODS else "other"
    for failure in FAILURES:
        _requests.labels(method, route, failure)
    _requests.labels(method, route, status).inc()
    _request_seconds.labels(method, route).observe(seconds)


@contextmanager
def tool_call(tool: str) -> Iterator[ToolCall]:
    """A call of an MCP tool, from its arguments to its result."""
    call, begun = ToolCall(), perf_counter()
    try:
        yield call
    except asyncio.CancelledError:
        call.outcome = "cancelled"
        raise
    finally:
        _tool_calls.labels(tool, "failed")
        _tool_calls.labels(tool, call.outcome).inc()
        _tool_seconds.labels(tool).observe(perf_counter() - begun)


def turned_away() -> None:
    """A call was refused because too many were waiting."""
    _turned_away.inc()


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """A stage of a search, for as long as it takes."""
    with _stage_seconds.labels(name).time(), tracing.part(name):
        yield


def tokens_spent(read: int, written: int) -> None:
    """A model has read and written so many tokens."""
    _read.inc(read)
    _written.inc(written)


def cache_asked(*, hit: bool) -> None:
    """The cache of answers was asked for one."""
    (_hit if hit else _missed).inc()


def pool_opened(most: int) -> None:
    """There is a pool of so many database connections at most."""
    _connections_most.set(most)


class Held(AbstractAsyncContextManager[T]):
    """A database connection, from when it is asked for until it is given back."""

    def __init__(self, acquired: AbstractAsyncContextManager[T]) -> None:
        self._acquired = acquired

    async def __aenter__(self) -> T:
        with _waiting.track_inprogress(), _connection_seconds.time():
            connection = await self._acquired.__aenter__()
        _used.inc()
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        _used.dec()
        return await self._acquired.__aexit__(kind, error, trace)


def backlog(passages: float, oldest: float) -> None:
    """So many passages wait for a vector, the oldest for so many seconds; NaN where nobody can say."""
    _backlog.set(passages)
    _backlog_age.set(oldest)


def tenants(passages: Mapping[str, int], tokens: Mapping[str, int]) -> None:
    """What tenants use, by name. Who was told of before and is no longer is told of no more."""
    for gauge, amounts in ((_tenant_passages, passages), (_tenant_tokens, tokens)):
        gauge.clear()
        for tenant, amount in amounts.items():
            gauge.labels(tenant).set(amount)


def batch_embedded(passages: int, failed: int) -> None:
    """Vectors of so many passages were stored; so many others could not be embedded."""
    _batches.inc()
    _vectors.inc(passages)
    _failures.inc(failed)


def embedding_interrupted(*, by_database: bool) -> None:
    """Embedding waits until it is tried again: the database failed, or else the model."""
    (_without_database if by_database else _without_model).inc()


def exposition(accepted: str = "") -> tuple[bytes, str]:
    """All that was measured, in the text format that an `Accept` header asks for, and its media type."""
    encoded, media_type = choose_encoder(accepted)
    return encoded(INSTRUMENTS), media_type
