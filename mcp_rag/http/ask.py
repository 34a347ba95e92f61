"""`POST /ask`: an answer as one JSON document, or as it comes, as server-sent events."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime

from pydantic import Field, ValidationError
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_rag.errors import InvalidInput, ModelError, NotFound, NotReady, RagError, StoreError, TokensSpent
from mcp_rag.models import Citation, Delta, Done, Event, Filters, Frozen, Sources, Turn
from mcp_rag.rag import Rag

CurrentRag = Callable[[], Awaitable[Rag]]
LOCAL = ("127.0.0.1", "localhost", "[")
"""Names that a page elsewhere cannot give this machine; the bracket is how an IPv6 address begins."""
NAMES: dict[type[Event], str] = {Sources: "sources", Delta: "delta", Citation: "citation", Done: "done"}
STATUS: dict[type[RagError], int] = {
    InvalidInput: 400,
    NotFound: 404,
    TokensSpent: 429,
    NotReady: 503,
    StoreError: 503,
    ModelError: 503,
}


class Question(Frozen):
    """The body of a call."""

    question: str
    conversation_id: str | None = None
    speaker: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    history: tuple[Turn, ...] = Field((), description="Earlier turns, if the question leans on them.")

    @property
    def filters(self) -> Filters:
        return Filters(**self.model_dump(exclude={"question", "history"}))


def route(rag: CurrentRag) -> Route:
    """The route, for callers on this machine: a page elsewhere that was given its name is refused."""

    async def ask(request: Request) -> Response:
        try:
            asked = await _body(request)
            service = await rag()
            if _wants_events(request):
                return EventSourceResponse(_events(service, asked))
            reply = await service.ask(asked.question, filters=asked.filters, history=asked.history)
        except RagError as error:
            return problem(error)
        return JSONResponse(reply.model_dump(mode="json"))

    # Starlette's own check knows no IPv6 address; such a name is never resolved for a page elsewhere.
    local = Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL], www_redirect=False)
    return Route("/ask", ask, methods=["POST"], middleware=[local])


def problem(error: RagError) -> JSONResponse:
    """An error as RFC 9457 says: what kind, why, and what to do next."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse(_told(error) | {"status": status}, status, media_type="application/problem+json")


async def _body(request: Request) -> Question:
    # A page elsewhere can send any other type without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidInput("The body is not said to be JSON.", remedy="Send Content-Type: application/json.")
    try:
        return Question.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "The body"
        raise InvalidInput(f"{where}: {first['msg'].rstrip('.')}.") from None


async def _events(rag: Rag, asked: Question) -> AsyncGenerator[ServerSentEvent]:
    """A client that goes away closes this, and with it whoever writes."""
    events = rag.answering(asked.question, filters=asked.filters, history=asked.history)
    try:
        async with aclosing(events):
            async for event in events:
                yield ServerSentEvent(event.model_dump_json(), event=NAMES[type(event)])
    except RagError as error:
        yield ServerSentEvent(json.dumps(_told(error)), event="error")


def _wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def _told(error: RagError) -> dict[str, str | int]:
    return {
        "type": f"urn:mcp-rag:{type(error).__name__}",
        "title": type(error)().cause,
        "detail": error.cause,
        "remedy": error.remedy,
    }
