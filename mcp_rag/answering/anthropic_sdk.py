"""Anthropic's SDK. It takes a second to import, and so is imported when the first question is asked."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

import anthropic
import anyio
import httpx2
from anthropic.types import (
    RawMessageStreamEvent,
    SearchResultBlockParam,
    TextBlockParam,
    ThinkingConfigParam,
)
from pydantic import BaseModel

from mcp_rag.answering.service import RETRIES, THOUGHTS, Service, http_client
from mcp_rag.errors import AnsweringFailed

Block = SearchResultBlockParam | TextBlockParam

# ANTHROPIC_LOG=debug would have it log what people said.
logging.getLogger("anthropic").setLevel(logging.WARNING)

# Once a stream has begun, the SDK lets through what its HTTP client, its JSON and its own models raise.
_LOST = (httpx2.HTTPError, httpx2.InvalidURL, OSError, anyio.EndOfStream)
_ERRORS = (anthropic.AnthropicError, *_LOST, ValueError, RuntimeError)

# To quote what was read takes no thinking. Claude Sonnet 5.5 takes the first of these, most others only the
# second; a few always think, and say so.
_THINKING: tuple[ThinkingConfigParam | anthropic.Omit, ...] = (
    {"type": "between_tools"},
    {"type": "disabled"},
    anthropic.omit,
)


class Connection:
    """One client for all questions. Whatever fails is an AnsweringFailed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._thinking = _THINKING
        try:
            self._client = _client(service)
        except _ERRORS as error:
            raise service.unreachable(error) from None

    async def events(
        self, system: str, content: Sequence[Block], *, max_tokens: int
    ) -> AsyncGenerator[object]:
        """What the service sends, as plain values. Closing the generator closes the connection."""
        begun = False
        try:
            async with asyncio.timeout(self._service.timeout):
                stream = await self._opened(system, content, max_tokens, self._thinking)
            async with stream:
                async for event in stream:
                    begun = True
                    yield event.model_dump(warnings=False) if isinstance(event, BaseModel) else event
        except _ERRORS as error:
            # Not `from error`: that holds the request, and with it the key and what people said.
            raise self._failure(error, begun) from None

    async def close(self) -> None:
        await self._client.close()

    async def _opened(
        self,
        system: str,
        content: Sequence[Block],
        max_tokens: int,
        thinking: tuple[ThinkingConfigParam | anthropic.Omit, ...],
    ) -> anthropic.AsyncStream[RawMessageStreamEvent]:
        """A stream with the first kind of `thinking` that the model takes, which is kept in mind."""
        thoughts = THOUGHTS if len(thinking) == 1 else 0
        try:
            # Nothing is cached: the rules are shorter than the least that can be, and each question brings
            # sources of its own.
            return await self._client.messages.create(
                model=self._service.model,
                max_tokens=max_tokens + thoughts,
                system=system,
                messages=[{"role": "user", "content": content}],
                thinking=thinking[0],
                stream=True,
            )
        except anthropic.BadRequestError as refusal:
            if len(thinking) == 1 or "thinking" not in refusal.message:
                raise
        thinking = self._thinking = thinking[1:]
        return await self._opened(system, content, max_tokens, thinking)

    def _failure(self, error: Exception, begun: bool) -> AnsweringFailed:
        match error:
            case anthropic.APIStatusError(status_code=200):  # An error amid the stream.
                return self._service.broken_off(error.api_message or "")
            case anthropic.APIStatusError():
                return self._service.refusal(error.status_code, error.api_message or error.message)
            case anthropic.APIConnectionError():
                return self._service.lost(error.__cause__ or error, begun=begun)
        if isinstance(error, _LOST):
            return self._service.lost(error, begun=begun)
        return self._service.unreadable("something that is no answer")


def _client(service: Service) -> anthropic.AsyncAnthropic:
    client = anthropic.AsyncAnthropic(
        api_key=service.key,
        base_url=service.url,
        timeout=service.patience,
        max_retries=RETRIES,
        http_client=http_client(anthropic.DefaultAsyncHttpxClient),
        open_telemetry=False,  # Its spans may hold what people said, if the environment says so.
    )
    # What the environment says in ANTHROPIC_CUSTOM_HEADERS, which may be another key.
    client._custom_headers = {}
    _ = client.messages  # Where it is first named it is imported: better here than in the event loop.
    return client
