"""Where spans go: to a collector, by OTLP. Imported only where there is one: it takes 250 ms.

What is sampled, and headers for the collector, are said by OpenTelemetry's own variables (`OTEL_...`).
"""

import threading
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Status

from mcp_rag import __version__

PATIENCE = 3.0
"""Seconds that a process which ends waits for a collector to take its last spans."""


class Discreet(OTLPSpanExporter):
    """Sends no words of an exception, which libraries note: they may repeat what was stored or asked."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export([_without_words(span) for span in spans])


def start(url: str, *, name: str) -> TracerProvider:
    """Send the spans of this process to the collector at `url`, as those of the service `name`."""
    provider = TracerProvider(resource=_resource(name), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discreet(endpoint=f"{url.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
    return provider


def stop(provider: TracerProvider) -> None:
    """Send what is left, unless the collector takes too long."""
    # It has no patience of its own to set; and a process ends whatever a thread like this does.
    ending = threading.Thread(target=provider.shutdown, daemon=True)
    ending.start()
    ending.join(PATIENCE)


def _resource(name: str) -> Resource:
    said = Resource.create({SERVICE_VERSION: __version__})
    unnamed = str(said.attributes[SERVICE_NAME]).startswith("unknown_service")
    return said.merge(Resource({SERVICE_NAME: name})) if unnamed else said


def _without_words(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )
