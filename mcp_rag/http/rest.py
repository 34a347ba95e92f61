"""The service as plain HTTP: the same models, limits and errors as the tools."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AfterValidator
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.routing import Route

from mcp_rag.capacity import Capacity
from mcp_rag.errors import RagError
from mcp_rag.http import bodies
from mcp_rag.http.bodies import Listing, NewContent, Question, Stretch
from mcp_rag.http.presence import while_there
from mcp_rag.http.problems import MEDIA_TYPE, Problem
from mcp_rag.identity import Scope, caller
from mcp_rag.models import (
    Address,
    Answer,
    Citation,
    Conversation,
    ConversationPage,
    Delta,
    Done,
    Erasure,
    Event,
    Extract,
    Job,
    NoAnswer,
    Receipt,
    SearchResult,
    Sources,
)
from mcp_rag.rag import Rag

REPLAYED = "Idempotency-Replayed"
NAMES: dict[type[Event], str] = {Sources: "sources", Delta: "delta", Citation: "citation", Done: "done"}
# An id may hold a slash, and then comes with it encoded; see `addresses.py`.
ConversationId = Annotated[
    str,
    Path(description="Percent-encoded, its slashes too.", examples=["team/opening"]),
    AfterValidator(unquote),
]
JobId = Annotated[
    str, Path(description="What follows rag://jobs/ in a receipt.", examples=["dGVhbS9vcGVuaW5n"])
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Of this call alone: sent again with it, the call is answered again and not done again.",
        pattern="^[!-~]+$",
        max_length=255,
    ),
]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route may refuse, as its documentation says it."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": DESCRIPTIONS[status], "content": content} for status in statuses}


DESCRIPTIONS = {
    400: "The call can be corrected: `detail` says how.",
    401: "No valid token came with the call.",
    403: "The caller may not do this.",
    404: "Nothing is stored under this name.",
    409: "The key belongs to another call.",
    413: "The body is larger than this server reads.",
    415: "The body is compressed, and not by gzip.",
    429: "Too much was asked for; `Retry-After` says when to ask again.",
    503: "The database or a model cannot be used now; `Retry-After` says when to try again.",
}


def needs(scope: Scope) -> Any:
    """That the caller has the scope."""

    async def required() -> None:
        caller().require(scope)

    return Depends(required)


async def service(request: Request) -> AsyncIterator[Rag]:
    """Of whoever calls, when it is ready and there is room."""
    capacity: Capacity = request.app.state.capacity
    async with capacity.place():
        yield await request.app.state.rag()


Service = Annotated[Rag, Depends(service)]
routes = APIRouter(responses=refusals(400, 401, 403, 429, 503))


@routes.post(
    "/ingest",
    responses=refusals(409, 413, 415) | {200: {"headers": {REPLAYED: {"schema": {"const": "true"}}}}},
    dependencies=[needs("write")],
)
async def ingest(body: NewContent, rag: Service, response: Response, key: Key = None) -> Receipt:
    """Store a conversation, or more of one. What is stored already stays as it is.

    Many at once: one on each line, as `application/x-ndjson`. Each line is answered with a receipt or a
    problem as soon as it is stored, in the order of the lines; one that cannot be used stops no other.
    """
    receipt = await stored(rag, body, key=key)
    if receipt.replayed:
        response.headers[REPLAYED] = "true"
    return receipt


@routes.post("/search", responses=refusals(413, 415), dependencies=[needs("read")])
async def search(body: bodies.Query, rag: Service, request: Request) -> SearchResult:
    """Find what was said or written, by words and by meaning, best first."""
    found = rag.search(
        body.query,
        limit=body.limit,
        filters=bodies.filters(body),
        cursor=body.cursor,
        whole=body.whole,
        accurate=body.accurate,
        context=body.context,
        explain=body.explain,
    )
    return await while_there(request, found)


@routes.post(
    "/ask",
    responses=refusals(413, 415) | {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    dependencies=[needs("read")],
)
async def ask(body: Question, rag: Service, request: Request) -> Answer | NoAnswer:
    """Answer from what is stored, with quotes that are checked; or say that it is not there.

    With `Accept: text/event-stream` it comes as events: `sources`, `delta`, `citation`, `done`, `error`.
    """
    where = bodies.filters(body)
    if "text/event-stream" in request.headers.get("accept", ""):
        return EventSourceResponse(_events(rag, body))  # type: ignore[return-value]  # a response as it is
    return await while_there(request, rag.ask(body.question, filters=where, history=body.history))


@routes.get("/conversations", dependencies=[needs("read")])
async def conversations(asked: Annotated[Listing, Query()], rag: Service) -> ConversationPage:
    """What is stored, the most recent first."""
    return await rag.list_conversations(
        filters=asked.filters, title=asked.title, limit=asked.limit, cursor=asked.cursor
    )


@routes.get("/conversations/{id}", responses=refusals(404), dependencies=[needs("read")])
async def conversation(id: ConversationId, rag: Service) -> Conversation:
    """What is known of a conversation, without its messages."""
    return (await rag.fetch(Address(conversation_id=id), limit=1)).conversation


@routes.get("/conversations/{id}/messages", responses=refusals(404), dependencies=[needs("read")])
async def messages(id: ConversationId, asked: Annotated[Stretch, Query()], rag: Service) -> Extract:
    """A conversation's messages, in order."""
    return await rag.fetch(Address(conversation_id=id), first=asked.first, limit=asked.limit)


@routes.delete("/conversations/{id}", responses=refusals(404), dependencies=[needs("erase")])
async def forget(id: ConversationId, rag: Service) -> Erasure:
    """Erase a conversation for good, with all that was derived from it."""
    return await rag.forget(conversation_ids=[id], dry_run=False)


@routes.get("/jobs/{id}", responses=refusals(404), dependencies=[needs("read")])
async def job(id: JobId, rag: Service) -> Job:
    """How far a large ingest is whose receipt has named this job: what still waits to be found by meaning."""
    return await rag.job(id)


def allowed(path: str) -> str:
    """The methods of a path, as the header Allow says them."""
    here = [route for route in routes.routes if isinstance(route, Route) and route.path_regex.match(path)]
    return ", ".join(sorted({method for route in here for method in route.methods or ()}))


async def stored(rag: Rag, body: NewContent, *, key: str | None = None) -> Receipt:
    return await rag.ingest(
        body.conversation_id,
        body.sent,
        title=body.title,
        source=body.source,
        tags=body.tags,
        kind=body.kind,
        restore=body.restore,
        key=key,
    )


async def _events(rag: Rag, asked: Question) -> AsyncGenerator[ServerSentEvent]:
    """A client that goes away closes this, and with it whoever writes."""
    events = rag.answering(asked.question, filters=bodies.filters(asked), history=asked.history)
    try:
        async with aclosing(events):
            async for event in events:
                yield ServerSentEvent(event.model_dump_json(), event=NAMES[type(event)])
    except RagError as error:
        yield ServerSentEvent(Problem.of(error).model_dump_json(), event="error")
