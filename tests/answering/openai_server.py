"""A local server that speaks OpenAI's chat completions, as far as answers and the picking of tools need it.

The format was taken from OpenAI's public API reference (chat/create, chat-streaming, error codes) and from
the types of the official SDK (openai 3.57: types/chat/completion_create_params.py, chat_completion_chunk.py,
completion_usage.py; for tools, which are spoken without a stream, shared_params/function_definition.py,
chat_completion_message_function_tool_call.py and chat_completion_tool_message_param.py). `Ollama` differs as
github.com/ollama/ollama says in openai/openai.go: it needs no key, it ignores what it does not know, and
among that `max_completion_tokens`.

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

from tests.answering.tool_schemas import NAME, refused_by_openai

KEY = "sk-proj-a-very-secret-key"
MODEL = "some-model"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Made(Strict):
    """A call: its arguments are JSON in a text."""

    name: Annotated[str, Field(pattern=NAME)]
    arguments: str


class ToolCall(Strict):
    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"]
    function: Made


class Function(Strict):
    name: Annotated[str, Field(pattern=NAME)]
    description: Annotated[str, Field(max_length=1024)] = ""
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_a_schema_that_is_taken(self) -> "Function":
        if refused := refused_by_openai(self.parameters):
            raise ValueError(f"Invalid schema for function '{self.name}': {refused}")
        return self


class Tool(Strict):
    type: Literal["function"]
    function: Function


class Message(Strict):
    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _has_what_its_role_needs(self) -> "Message":
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("expected a string, got null")
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise ValueError("tool_call_id belongs to messages with role 'tool'")
        return self


class StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: bool = True


class Asked(Strict):
    """The body of a request, with those of its fields that exist and may be of use here."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] = []

    @model_validator(mode="after")
    def _answers_each_call_at_once(self) -> "Asked":
        open_: set[str] = set()
        for message in self.messages:
            if message.role == "tool" and message.tool_call_id not in open_:
                raise ValueError(
                    "messages with role 'tool' must respond to a preceding message with 'tool_calls'"
                )
            if message.role != "tool" and open_:
                raise ValueError(
                    "'tool_calls' must be followed by tool messages responding to each 'tool_call_id'"
                )
            open_ -= {message.tool_call_id} if message.tool_call_id else set()
            open_ |= {call.id for call in message.tool_calls or ()}
        if open_:
            raise ValueError(
                "'tool_calls' must be followed by tool messages responding to each 'tool_call_id'"
            )
        return self

    def said_by(self, role: str) -> str:
        return "".join(message.content or "" for message in self.messages if message.role == role)


@dataclass(frozen=True)
class Raw:
    """Bytes as they go over the wire, which need not make sense."""

    text: str


@dataclass(frozen=True)
class Failure:
    """An error amid the stream."""

    message: str


class Cut:
    """The connection breaks."""


class Hold:
    """Nothing more comes until the client leaves."""


@dataclass(frozen=True)
class Use:
    """A call of a tool. `arguments` is the text that the model writes, which need not be JSON."""

    name: str
    arguments: str


Piece = str | Use | Raw | Failure | Cut | Hold


@dataclass(frozen=True)
class Reply:
    """What the model writes, and why it stops."""

    pieces: Sequence[Piece]
    finish_reason: str | None = "stop"
    usage: Mapping[str, int] | None = field(
        default_factory=lambda: {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340}
    )
    usage_always: bool = False
    """Whether each chunk tells the tokens so far, as some services do."""


def refusal(status: int, message: str, *, code: str | None = None, **headers: str) -> JSONResponse:
    """An error in the form that the service gives it."""
    kind = "invalid_request_error" if status < 429 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


class Service:
    """The service, with one model. `refusals` are given first, one each, before it works."""

    strict = True
    """Whether it wants a key, and refuses what it does not know."""

    def __init__(self) -> None:
        self.writes: Callable[[Asked], Reply] = lambda asked: Reply(["NO ANSWER"])
        self.refusals: list[Response | None] = []
        self.requests: list[Asked] = []
        self.headers: list[Mapping[str, str]] = []
        self.reasons = False
        """Whether its model is one that reasons, and takes no `max_tokens`."""
        self.silent = False
        """Whether it takes a request and says nothing."""
        self.piece = 5
        """Characters that come at a time."""
        self.left = threading.Event()
        """The client has left before the end."""
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._completions, methods=["POST"])])

    def says(self, *pieces: Piece, **how: Any) -> None:
        """What it writes from now on, whatever it is asked."""
        self.writes = lambda asked: Reply(pieces, **how)

    async def _completions(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        if self.strict and (refused := _unwelcome(request)):
            return refused
        try:
            asked = Asked.model_validate_json(await request.body())
        except ValidationError as error:
            return refusal(400, _first(error))
        self.requests.append(asked)
        if self.reasons and asked.max_tokens is not None:
            return refusal(400, _NEWER, code="unsupported_parameter")
        if asked.model != MODEL:
            return refusal(404, f"The model `{asked.model}` does not exist.", code="model_not_found")
        if self.refusals and (refused := self.refusals.pop(0)):
            return refused
        if self.silent:
            await _until_it_leaves(request)
            self.left.set()
        if not asked.stream:
            return JSONResponse(_whole(self.writes(asked)))
        stream = self._stream(asked, self.writes(asked))
        return StreamingResponse(stream, media_type="text/event-stream; charset=utf-8")

    async def _stream(self, asked: Asked, reply: Reply) -> AsyncIterator[str]:
        try:
            for piece in reply.pieces:
                if isinstance(piece, Cut):
                    raise ConnectionAbortedError
                if isinstance(piece, Hold):
                    await asyncio.Event().wait()
                for event in self._events(asked, reply, piece):
                    yield event
            for event in _end(asked, reply):
                yield event
        except asyncio.CancelledError:
            self.left.set()
            raise

    def _events(self, asked: Asked, reply: Reply, piece: Piece) -> Iterator[str]:
        match piece:
            case Raw():
                yield piece.text
            case Failure():
                yield _data({"error": {"message": piece.message, "type": "server_error", "code": None}})
            case str():
                yield _chunk(asked, reply, {"role": "assistant", "content": "", "refusal": None})
                for start in range(0, len(piece), self.piece):
                    yield _chunk(asked, reply, {"content": piece[start : start + self.piece]})


class Ollama(Service):
    """The same call as Ollama takes it."""

    strict = False

    async def _completions(self, request: Request) -> Response:
        body = await request.json()
        known = {name: value for name, value in body.items() if name in Asked.model_fields}
        known.pop("max_completion_tokens", None)
        request._body = json.dumps(known).encode()
        return await super()._completions(request)


_NEWER = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)


async def _until_it_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _unwelcome(request: Request) -> Response | None:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        return refusal(401, "You didn't provide an API key.")
    if key != KEY:
        return refusal(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")
    if request.headers.get("content-type") != "application/json":
        return refusal(400, "We could not parse the JSON body of your request.")
    return None


def _whole(reply: Reply) -> dict[str, Any]:
    """A completion that does not come as a stream: text, and calls of tools."""
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": piece.name, "arguments": piece.arguments},
        }
        for number, piece in enumerate(reply.pieces)
        if isinstance(piece, Use)
    ]
    text = "".join(piece for piece in reply.pieces if isinstance(piece, str))
    message = {"role": "assistant", "content": text or None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    reason = "tool_calls" if calls else reply.finish_reason
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": dict(reply.usage or {})}


def _end(asked: Asked, reply: Reply) -> Iterator[str]:
    if reply.finish_reason:
        yield _chunk(asked, reply, {}, finish_reason=reply.finish_reason)
    if reply.usage and asked.stream_options.include_usage and not reply.usage_always:
        yield _data({**_HEAD, "choices": [], "usage": dict(reply.usage)})
    yield "data: [DONE]\n\n"


_HEAD = {"id": "chatcmpl-123", "object": "chat.completion.chunk", "created": 1794000000, "model": MODEL}


def _chunk(asked: Asked, reply: Reply, delta: Mapping[str, Any], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish_reason}
    chunk: dict[str, Any] = {**_HEAD, "choices": [choice]}
    if asked.stream_options.include_usage and reply.usage:
        chunk["usage"] = dict(reply.usage) if reply.usage_always else None
    return _data(chunk)


def _data(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return f"Unrecognized request argument supplied: {first['loc'][-1]}"
    return f"{first['msg']}: '{'.'.join(str(part) for part in first['loc'])}'."
