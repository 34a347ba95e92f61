"""A local server that speaks Anthropic's Messages API, as far as answers and the picking of tools need it.

The format was taken from the public documentation at platform.claude.com/docs (api/overview, api/errors,
api/versioning, api/migration-2026-10-21, build-with-claude/streaming, build-with-claude/search-results,
build-with-claude/citations, build-with-claude/thinking) and from the types of the official SDK (anthropic
2.14: types/search_result_block_param.py, citations_search_result_location.py, raw_message_stream_event.py,
message_delta_usage.py, thinking_config_param.py, shared/error_response.py; for tools, which are spoken of
without a stream, agents-and-tools/tool-use, tool_param.py, tool_use_block_param.py and
tool_result_block_param.py). The documentation sends the key as `x-api-key`, the SDK as
`authorization: Bearer`; the server takes either.

What the model writes is a function of the request, so that it can obey, or lie.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.answering.tool_schemas import NAME, refused_by_anthropic

KEY = "sk-ant-api03-a-very-secret-key"
MODEL = "claude-sonnet-5-5"
VERSION = "2026-10-21"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CacheControl(Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Text(Strict):
    type: Literal["text"]
    text: Annotated[str, Field(pattern=r"\S")]
    cache_control: CacheControl | None = None


class Citations(Strict):
    enabled: bool = False


class SearchResult(Strict):
    type: Literal["search_result"]
    source: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    content: Annotated[list[Text], Field(min_length=1)]
    citations: Citations = Citations()
    cache_control: CacheControl | None = None

    @property
    def texts(self) -> list[str]:
        return [block.text for block in self.content]


class Thinking(Strict):
    type: Literal["adaptive", "between_tools", "disabled"]


class ToolUse(Strict):
    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    name: Annotated[str, Field(pattern=NAME)]
    input: dict[str, Any]


class ToolResult(Strict):
    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    content: str | list[Text] = ""
    is_error: bool = False


class Tool(Strict):
    name: Annotated[str, Field(pattern=NAME)]
    description: str = ""
    input_schema: dict[str, Any]
    cache_control: CacheControl | None = None

    @model_validator(mode="after")
    def _has_a_schema_that_is_taken(self) -> "Tool":
        if refused := refused_by_anthropic(self.input_schema):
            raise ValueError(refused)
        return self


Content = Annotated[Text | SearchResult | ToolUse | ToolResult, Field(discriminator="type")]


class Message(Strict):
    role: Literal["user", "assistant"]
    content: Annotated[str, Field(min_length=1)] | Annotated[list[Content], Field(min_length=1)]

    def ids(self, kind: type[ToolUse] | type[ToolResult]) -> set[str]:
        """Of the tools that are used here, or of the uses that are answered here."""
        blocks = [block for block in self.content if isinstance(block, kind)]
        return {block.id if isinstance(block, ToolUse) else block.tool_use_id for block in blocks}


class Asked(Strict):
    """The body of a request, with those of its fields that exist and may be of use here."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    system: str | list[Text] | None = None
    stream: bool = False
    stop_sequences: list[str] = []
    thinking: Thinking | None = None
    metadata: dict[str, str] | None = None
    tools: list[Tool] = []

    @model_validator(mode="after")
    def _answers_each_use_of_a_tool_at_once(self) -> "Asked":
        for before, after in zip([None, *self.messages], [*self.messages, None], strict=True):
            used = before.ids(ToolUse) if before else set()
            if before and after is None and used:
                raise ValueError("final assistant content cannot end with a use of a tool")
            answered = after.ids(ToolResult) if after else set()
            if used - answered:
                raise ValueError("`tool_use` ids were found without `tool_result` blocks immediately after")
            if answered - used:
                raise ValueError("unexpected `tool_use_id` found in `tool_result` blocks")
        if len({tool.name for tool in self.tools}) < len(self.tools):
            raise ValueError("tools: Tool names must be unique.")
        return self

    @model_validator(mode="after")
    def _cites_all_or_none(self) -> "Asked":
        if len({source.citations.enabled for source in self.sources}) > 1:
            raise ValueError("citations must be enabled for all search results or for none")
        if self.messages[0].role != "user":
            raise ValueError("first message must use the user role")
        return self

    @property
    def blocks(self) -> list[Text | SearchResult | ToolUse | ToolResult]:
        return [block for message in self.messages for block in message.content if not isinstance(block, str)]

    @property
    def sources(self) -> list[SearchResult]:
        return [block for block in self.blocks if isinstance(block, SearchResult)]

    @property
    def question(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Text))


@dataclass(frozen=True)
class Block:
    """A block of text, and what it cites: number of a source, first sentence, and the one after the last."""

    text: str
    cites: Sequence[tuple[int, int, int]] = ()
    cites_first: bool = True


@dataclass(frozen=True)
class Thought:
    """A block in which the model thinks."""

    text: str


@dataclass(frozen=True)
class Use:
    """A block in which the model calls a tool."""

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Raw:
    """Bytes as they go over the wire, which need not make sense."""

    text: str


@dataclass(frozen=True)
class Failure:
    """An error amid the stream."""

    type: str = "overloaded_error"
    message: str = "Overloaded"


class Cut:
    """The connection breaks."""


class Hold:
    """Nothing more comes until the client leaves."""


Piece = Block | Thought | Use | Raw | Failure | Cut | Hold


@dataclass(frozen=True)
class Reply:
    """What the model writes, and why it stops."""

    pieces: Sequence[Piece]
    stop_reason: str | None = "end_turn"
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] = field(default_factory=lambda: {"input_tokens": 120, "output_tokens": 1})
    final_usage: Mapping[str, Any] = field(default_factory=lambda: {"output_tokens": 42})
    stops: bool = True
    """Whether the message is brought to its end."""


def refusal(status: int, kind: str, message: str, **headers: str) -> JSONResponse:
    """An error in the form that the service gives it."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011C"}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


class Service:
    """The service, with one model. `refusals` are given first, one each, before it works."""

    def __init__(self) -> None:
        self.writes: Callable[[Asked], Reply] = lambda asked: Reply([Block("NO ANSWER")])
        self.refusals: list[Response | None] = []
        self.requests: list[Asked] = []
        self.headers: list[Mapping[str, str]] = []
        self.thinks = {"adaptive", "between_tools"}
        """The kinds of thinking that the model takes."""
        self.silent = False
        """Whether it takes a request and says nothing."""
        self.piece = 5
        """Characters that come at a time."""
        self.left = threading.Event()
        """The client has left before the end."""
        self.app = Starlette(routes=[Route("/v1/messages", self._messages, methods=["POST"])])

    def says(self, *pieces: Piece, **how: Any) -> None:
        """What it writes from now on, whatever it is asked."""
        self.writes = lambda asked: Reply(pieces, **how)

    async def _messages(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        if refused := self._unwelcome(request):
            return refused
        try:
            asked = Asked.model_validate_json(await request.body())
        except ValidationError as error:
            return refusal(400, "invalid_request_error", _first(error))
        if asked.model != MODEL:
            return refusal(404, "not_found_error", f"model: {asked.model}")
        if asked.thinking and asked.thinking.type not in self.thinks:
            unknown = f'"thinking.type.{asked.thinking.type}" is not supported for this model.'
            return refusal(400, "invalid_request_error", unknown)
        self.requests.append(asked)
        if self.refusals and (refused := self.refusals.pop(0)):
            return refused
        if self.silent:
            await _until_it_leaves(request)
            self.left.set()
        if not asked.stream:
            return JSONResponse(_whole(self.writes(asked)), headers={"request-id": "req_011C"})
        stream = self._stream(asked, self.writes(asked))
        headers = {"request-id": "req_011C", "cache-control": "no-cache"}
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream; charset=utf-8")

    @staticmethod
    def _unwelcome(request: Request) -> Response | None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = request.headers.get("x-api-key", bearer)
        if not key:
            return refusal(401, "authentication_error", "x-api-key header is required")
        if key != KEY:
            return refusal(401, "authentication_error", f"invalid x-api-key: {key}")
        if request.headers.get("anthropic-version") != VERSION:
            return refusal(400, "invalid_request_error", "anthropic-version: header is required")
        if request.headers.get("content-type") != "application/json":
            return refusal(400, "invalid_request_error", "content-type: must be application/json")
        return None

    async def _stream(self, asked: Asked, reply: Reply) -> AsyncIterator[str]:
        try:
            for event in self._events(asked, reply):
                if isinstance(event, Cut):
                    raise ConnectionAbortedError
                if isinstance(event, Hold):
                    await asyncio.Event().wait()
                else:
                    yield event
        except asyncio.CancelledError:
            self.left.set()
            raise

    def _events(self, asked: Asked, reply: Reply) -> Iterator[str | Cut | Hold]:
        yield _event("message_start", message=_message(reply))
        index = 0
        for piece in reply.pieces:
            if isinstance(piece, Cut | Hold):
                yield piece
            yield from self._piece(asked, index, piece)
            index += isinstance(piece, Block | Thought)
        if reply.stops:
            yield from _end(reply)

    def _piece(self, asked: Asked, index: int, piece: Piece) -> Iterator[str]:
        match piece:
            case Raw():
                yield piece.text
            case Failure():
                yield _event("error", error={"type": piece.type, "message": piece.message})
            case Thought():
                block = {"type": "thinking", "thinking": "", "signature": ""}
                yield _event("content_block_start", index=index, content_block=block)
                yield _delta(index, type="thinking_delta", thinking=piece.text)
                yield _delta(index, type="signature_delta", signature="EqQBCgIYAhIM")
                yield _event("content_block_stop", index=index)
            case Block():
                yield _event("content_block_start", index=index, content_block={"type": "text", "text": ""})
                if index == 0:
                    yield _event("ping")
                citations = [_delta(index, **_citation(asked, *cited)) for cited in piece.cites]
                texts = [
                    _delta(index, type="text_delta", text=text) for text in _split(piece.text, self.piece)
                ]
                yield from citations + texts if piece.cites_first else texts + citations
                yield _event("content_block_stop", index=index)


async def _until_it_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _message(reply: Reply) -> dict[str, Any]:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": dict(reply.usage),
    }


def _whole(reply: Reply) -> dict[str, Any]:
    """A message that does not come as a stream: texts, and calls of tools."""
    blocks: list[dict[str, Any]] = []
    for number, piece in enumerate(reply.pieces):
        match piece:
            case Block():
                blocks.append({"type": "text", "text": piece.text})
            case Use():
                use = {"id": f"toolu_01{number}", "name": piece.name, "input": dict(piece.input)}
                blocks.append({"type": "tool_use", **use})
            case _:
                raise AssertionError("Only texts and calls come without a stream.")
    uses = any(isinstance(piece, Use) for piece in reply.pieces)
    stopped = "tool_use" if uses else reply.stop_reason
    usage = {**reply.usage, **reply.final_usage}
    return {**_message(reply), "content": blocks, "stop_reason": stopped, "usage": usage}


def _citation(asked: Asked, source: int, first: int, after: int) -> dict[str, Any]:
    cited = asked.sources[source]
    citation = {
        "type": "search_result_location",
        "source": cited.source,
        "title": cited.title,
        "search_result_index": source,
        "start_block_index": first,
        "end_block_index": after,
        "cited_text": "".join(cited.texts[first:after]),
    }
    return {"type": "citations_delta", "citation": citation}


def _end(reply: Reply) -> Iterator[str]:
    delta: dict[str, Any] = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    if reply.stop_details:
        delta["stop_details"] = {"type": "refusal", **reply.stop_details}
    yield _event("message_delta", delta=delta, usage=dict(reply.final_usage))
    yield _event("message_stop")


def _delta(index: int, **delta: Any) -> str:
    return _event("content_block_delta", index=index, delta=delta)


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def _split(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
