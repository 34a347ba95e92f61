"""Many conversations in one call: one on each line, and a line of answer to each as it is stored."""

from collections.abc import AsyncGenerator, AsyncIterator

from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from mcp_rag.capacity import Capacity
from mcp_rag.errors import InvalidInput, RagError, StoreError
from mcp_rag.http.bodies import NewContent
from mcp_rag.http.limits import too_large
from mcp_rag.http.problems import Problem, invalid_model
from mcp_rag.http.rest import stored
from mcp_rag.identity import caller
from mcp_rag.models import Receipt
from mcp_rag.rag import Rag

NDJSON = "application/x-ndjson"
PATH = "/ingest"


def is_bulk(scope: Scope) -> bool:
    """Whether a call brings conversations on lines."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return kind == NDJSON and scope["method"] == "POST" and scope["path"] == PATH


class Bulk(Route):
    """`POST /ingest` with lines; what is no line is another route's."""

    def __init__(self, *, longest: int) -> None:
        """`longest`: bytes of a line."""
        super().__init__(PATH, self._answer, methods=["POST"], include_in_schema=False)
        self._longest = longest

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and is_bulk(scope):
            return super().matches(scope)
        return Match.NONE, {}

    async def _answer(self, request: Request) -> StreamingResponse:
        caller().require("write")
        if "idempotency-key" in request.headers:
            raise InvalidInput(
                "Idempotency-Key is for one conversation.",
                remedy="Send the lines without it: what is stored already stays as it is.",
            )
        rag: Rag = await request.app.state.rag()
        capacity: Capacity = request.app.state.capacity
        capacity.admit()
        sent = lines(request.stream(), longest=self._longest)
        answered = answers(rag, capacity, sent, longest=self._longest)
        # Before the first line is there, nothing is said: not even that it may come.
        first = await anext(answered, None)
        if first is None:
            raise InvalidInput("There is no line.", remedy="Send one conversation as JSON on each line.")
        return _Beside(_joined(first, answered), media_type=NDJSON)


class _Beside(StreamingResponse):
    """A response that is sent while the body is still read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The library's own would read the body, too, to see whether the client has gone.
        await self.stream_response(send)


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for line in rest:
        yield line


async def answers(
    rag: Rag, capacity: Capacity, sent: AsyncIterator[bytes | None], *, longest: int
) -> AsyncGenerator[bytes]:
    """A receipt or a problem for each line, in its turn. Once the database has gone none is tried."""
    gone: StoreError | None = None
    number = 0
    try:
        async for line in sent:
            number += 1
            if line is not None and not line.strip():
                continue
            try:
                async with capacity.turn():
                    told = _refused(number, gone) if gone else await _taken(rag, line, longest)
            except StoreError as error:
                gone, told = error, _refused(number, error)
            except RagError as error:
                told = _refused(number, error)
            yield told.model_dump_json().encode() + b"\n"
    except ClientDisconnect:
        return
    except RagError as error:
        # The body itself ended as no body should.
        yield _refused(number + 1, error).model_dump_json().encode() + b"\n"


async def _taken(rag: Rag, line: bytes | None, longest: int) -> Receipt:
    if line is None:
        raise too_large(longest)
    try:
        body = NewContent.model_validate_json(line)
    except ValidationError as error:
        raise invalid_model(error) from error
    return await stored(rag, body)


def _refused(number: int, error: RagError) -> Problem:
    told = Problem.of(error)
    return told.model_copy(update={"detail": f"Line {number}: {told.detail}"})


async def lines(chunks: AsyncIterator[bytes], *, longest: int) -> AsyncGenerator[bytes | None]:
    """Each line as soon as it is whole; None for one of more bytes than `longest`, which is not kept."""
    kept, length = bytearray(), 0
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield None if length + len(end) > longest else bytes(kept + end)
            kept.clear()
            length = 0
        length += len(rest)
        if length > longest:
            kept.clear()
        else:
            kept += rest
    if length:
        yield None if length > longest else bytes(kept)
