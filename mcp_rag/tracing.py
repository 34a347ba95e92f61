"""Spans: how long each part of one call took, and whose call it was part of.

No span holds what was stored, asked or answered. Where nobody collects them (`otlp`) they cost little.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import Span as Span
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, get_tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_tracer = get_tracer("mcp_rag")
_parents = TraceContextTextMapPropagator()


@contextmanager
def request(method: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """An HTTP request, as part of the call that its `traceparent` names."""
    came_with = {name: headers[name] for name in _parents.fields if name in headers}
    with _tracer.start_as_current_span(
        method,
        _parents.extract(came_with),
        SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        span.set_attribute("http.request.method", method)
        yield span


def answered(span: Span, method: str, route: str, status: int) -> None:
    """The request was answered. `route` is the template, never the path."""
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        span.set_status(StatusCode.ERROR)


@contextmanager
def part(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int) -> Iterator[Span]:
    """A part of the call that is under way, or work of its own."""
    with _tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            failed(span, error)
            raise


@contextmanager
def statement(name: str) -> Iterator[None]:
    """An SQL statement, by the name of its file. One that belongs to no call is not told."""
    if not get_current_span().is_recording():
        yield
        return
    with part(name, SpanKind.CLIENT) as span:
        span.set_attributes({"db.system.name": "postgresql", "db.query.summary": name})
        yield


class ModelCall:
    """What a model is asked to write, or quoting without one.

    Not the current span: the text comes in pieces, to whoever waits.
    """

    def __init__(self, provider: str, model: str | None) -> None:
        if model is None:
            self._span = _tracer.start_span("quoting")
            return
        self._span = _tracer.start_span(f"chat {model}", kind=SpanKind.CLIENT)
        self._span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": model,
            }
        )

    def failed(self, error: BaseException) -> None:
        failed(self._span, error)

    def end(self, read: int, written: int) -> None:
        """It has read and written so many tokens."""
        if read or written:
            tokens = {"gen_ai.usage.input_tokens": read, "gen_ai.usage.output_tokens": written}
            self._span.set_attributes(tokens)
        self._span.end()


def failed(span: Span, error: BaseException) -> None:
    """By its kind alone: its words may repeat what was stored or asked."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(StatusCode.ERROR)


def add_trace_ids(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For a line of the log: which trace, and which of its spans, it was written in."""
    context = get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"], event["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return event
