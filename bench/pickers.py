"""Models that are given the offer and a turn, and call tools or do not. They are those that write answers."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import anthropic
import openai
from anthropic.types import MessageParam, ToolParam
from openai.types.chat import ChatCompletion, ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from bench.offer import Offer
from bench.turns import TODAY, Called, Spoken, Turn
from mcp_rag.answering.service import THOUGHTS, Service
from mcp_rag.compose import OPENAI
from mcp_rag.errors import InvalidSettings
from mcp_rag.settings import Settings

RETRIES = 5
"""How often a busy service is asked again, with growing pauses."""
SECONDS = 120.0
"""After which a silent service is given up."""
LENGTH = 1024
"""Tokens of a call, and of what is said beside it."""


class Picker(Protocol):
    service: Service

    async def pick(self, offer: Offer, turn: Turn) -> list[Called]:
        """The calls that the model makes at once. Raises AnsweringFailed where it gives no answer."""
        ...

    async def close(self) -> None: ...


def configured(settings: Settings) -> Picker:
    """The model that the settings name.

    Raises:
        InvalidSettings: they name none.
    """
    wanted = settings.answerer
    if settings.anthropic_api_key and wanted in ("auto", "anthropic"):
        key = settings.anthropic_api_key.get_secret_value().strip()
        url, model = settings.anthropic_url.strip(), settings.anthropic_model
        return OfAnthropic(Service("MCP_RAG_ANTHROPIC", url, model, key, SECONDS))
    if (settings.openai_url or settings.openai_api_key) and wanted in ("auto", "openai"):
        secret = settings.openai_api_key
        url, model = (settings.openai_url or OPENAI).strip(), settings.openai_model
        return OfOpenAI(
            Service(
                "MCP_RAG_OPENAI", url, model, secret.get_secret_value().strip() if secret else None, SECONDS
            )
        )
    raise InvalidSettings(
        "No model is configured that could pick tools.",
        remedy="Set MCP_RAG_ANTHROPIC_API_KEY, or MCP_RAG_OPENAI_URL and MCP_RAG_OPENAI_MODEL, "
        "and leave MCP_RAG_ANSWERER unset or set it to that service.",
    )


def system(offer: Offer) -> str:
    """As clients do it: who it is, what day it is, and what the server says of itself."""
    return (
        f"You are a helpful assistant. Today is {TODAY:%A}, {TODAY.day} {TODAY:%B %Y}.\n\n"
        f"The MCP server mcp-rag says of its tools: {offer.instructions}"
    )


class OfAnthropic:
    """Over the Messages API."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._client = anthropic.AsyncAnthropic(
            api_key=service.key,
            base_url=service.url,
            timeout=service.patience,
            max_retries=RETRIES,
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def pick(self, offer: Offer, turn: Turn) -> list[Called]:
        try:
            reply = await self._client.messages.create(
                model=self.service.model,
                max_tokens=LENGTH + THOUGHTS,
                system=system(offer),
                messages=_messages(turn),
                tools=[_tool(tool.name, tool.description, tool.input_schema) for tool in offer.tools],
            )
        except anthropic.APIStatusError as error:
            raise self.service.refusal(error.status_code, error.api_message or error.message) from None
        except anthropic.APIConnectionError as error:
            raise self.service.lost(error.__cause__ or error, begun=False) from None
        except (anthropic.AnthropicError, ValueError) as error:
            raise self.service.unreadable(f"something that is no answer ({type(error).__name__})") from None
        return [Called(tool=b.name, arguments=dict(b.input)) for b in reply.content if b.type == "tool_use"]

    async def close(self) -> None:
        await self._client.close()


def _tool(name: str, description: str | None, schema: dict[str, Any]) -> ToolParam:
    return {"name": name, "description": description or "", "input_schema": schema}


def _messages(turn: Turn) -> list[MessageParam]:
    messages: list[MessageParam] = []
    for number, said in enumerate((*turn.earlier, Spoken(user=turn.turn))):
        messages += _blocks(said, f"toolu_{number}")
    return messages


def _blocks(said: Spoken, name: str) -> list[MessageParam]:
    if said.user is not None:
        return [{"role": "user", "content": said.user}]
    if said.call is None:
        return [{"role": "assistant", "content": said.assistant or ""}]
    return [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": name, "name": said.call, "input": said.arguments}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": name, "content": said.result}],
        },
    ]


class OfOpenAI:
    """Over chat completions, of OpenAI or of any service that speaks them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._client = openai.AsyncOpenAI(
            api_key=service.key or "none",
            base_url=service.url,
            timeout=service.patience,
            max_retries=RETRIES,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )
        self._limit = {"max_tokens": LENGTH}

    async def pick(self, offer: Offer, turn: Turn) -> list[Called]:
        try:
            reply = await self._asked(offer, turn)
        except openai.APIStatusError as error:
            raise self.service.refusal(error.status_code, error.message) from None
        except openai.APIConnectionError as error:
            raise self.service.lost(error.__cause__ or error, begun=False) from None
        except (openai.OpenAIError, ValueError) as error:
            raise self.service.unreadable(f"something that is no answer ({type(error).__name__})") from None
        return _calls(reply, self.service)

    async def close(self) -> None:
        await self._client.close()

    async def _asked(self, offer: Offer, turn: Turn) -> ChatCompletion:
        limit = self._limit
        try:
            return await self._created(offer, turn, limit)
        except openai.BadRequestError as refusal:
            # Models that reason know the limit by another name.
            if "max_completion_tokens" in limit or "max_completion_tokens" not in refusal.message:
                raise
        self._limit = {"max_completion_tokens": LENGTH + THOUGHTS}
        return await self._created(offer, turn, self._limit)

    async def _created(self, offer: Offer, turn: Turn, limit: dict[str, int]) -> ChatCompletion:
        return await self._client.chat.completions.create(
            model=self.service.model,
            messages=_chat(offer, turn),
            tools=[_function(tool.name, tool.description, tool.input_schema) for tool in offer.tools],
            extra_body=limit,
            extra_headers=None if self.service.key else {"Authorization": openai.omit},
        )


def _function(name: str, description: str | None, schema: dict[str, Any]) -> ChatCompletionFunctionToolParam:
    return {
        "type": "function",
        "function": {"name": name, "description": description or "", "parameters": schema},
    }


def _chat(offer: Offer, turn: Turn) -> list[ChatCompletionMessageParam]:
    messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": system(offer)}]
    for number, said in enumerate((*turn.earlier, Spoken(user=turn.turn))):
        messages += _parts(said, f"call_{number}")
    return messages


def _parts(said: Spoken, name: str) -> list[ChatCompletionMessageParam]:
    if said.user is not None:
        return [{"role": "user", "content": said.user}]
    if said.call is None:
        return [{"role": "assistant", "content": said.assistant or ""}]
    made = {"name": said.call, "arguments": json.dumps(said.arguments, ensure_ascii=False)}
    return cast(
        list[ChatCompletionMessageParam],
        [
            {"role": "assistant", "tool_calls": [{"id": name, "type": "function", "function": made}]},
            {"role": "tool", "tool_call_id": name, "content": said.result},
        ],
    )


def _calls(reply: ChatCompletion, service: Service) -> list[Called]:
    choices: Sequence[Any] = reply.choices or ()
    if not choices:
        raise service.unreadable("nothing that is an answer")
    made: Iterable[Any] = choices[0].message.tool_calls or ()
    return [
        Called(tool=call.function.name, arguments=_object(call.function.arguments))
        for call in made
        if call.type == "function"
    ]


def _object(text: str) -> dict[str, Any] | None:
    """The arguments, which a model may have written wrongly. Some write nothing where there are none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
