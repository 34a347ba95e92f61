"""A collector of spans: what OpenTelemetry's own messages for OTLP over HTTP say, read from the wire."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Collected:
    """A span."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    begun: int
    ended: int
    failed: bool


class Collector:
    """Takes all that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Collected] = []
        self.sent = b""
        """All bodies, one after the other."""
        self.app = Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])])

    def of(self, trace: str) -> list[Collected]:
        """The spans of a trace, in the order in which they began."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.begun)

    def named(self, name: str, trace: str | None = None) -> Collected:
        """The only one with that name, in a trace or anywhere."""
        (span,) = (each for each in self.spans if each.name == name and trace in (None, each.trace))
        return span

    def above(self, span: Collected) -> list[str]:
        """What a span is part of, by name, from the outermost."""
        by_id = {each.id: each for each in self.spans}
        names: list[str] = []
        while span.parent in by_id:
            span = by_id[span.parent]
            names.insert(0, span.name)
        return names

    async def _take(self, request: Request) -> Response:
        assert request.headers["content-type"] == PROTOBUF
        body = await request.body()
        self.sent += body
        self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type=PROTOBUF)


def _spans(sent: ExportTraceServiceRequest) -> Iterator[Collected]:
    for resource in sent.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield Collected(
                service=service,
                name=span.name,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                attributes=_values(span.attributes),
                begun=span.start_time_unix_nano,
                ended=span.end_time_unix_nano,
                failed=span.status.code == Status.STATUS_CODE_ERROR,
            )


def _values(attributes: list[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in attributes}
