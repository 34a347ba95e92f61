"""OpenAI's SDK. It takes a second to import, and so is imported when the first question is asked."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import anyio
import httpx2
import openai
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from mcp_rag.answering.service import RETRIES, THOUGHTS, Service, http_client
from mcp_rag.errors import AnsweringFailed

# OPENAI_LOG=debug would have it log what people said.
logging.getLogger("openai").setLevel(logging.WARNING)

# The SDK lets through what its JSON and its own models raise.
_LOST = (httpx2.HTTPError, httpx2.InvalidURL, OSError, anyio.EndOfStream)
_ERRORS = (openai.OpenAIError, *_LOST, ValueError, RuntimeError)
_OLD_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"


class Connection:
    """One client for all questions. Whatever fails is an AnsweringFailed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        # Ollama, LM Studio and others know only the old name, and write without end where they are given
        # another. OpenAI's models that reason refuse the old one, and say so.
        self._limit = _OLD_LIMIT
        try:
            self._client = _client(service)
        except _ERRORS as error:
            raise service.unreachable(error) from None

    async def chunks(self, system: str, user: str, *, max_tokens: int) -> AsyncGenerator[object]:
        """What the service sends, as plain values. Closing the generator closes the connection."""
        begun = False
        try:
            async with asyncio.timeout(self._service.timeout):
                stream = await self._opened(system, user, max_tokens)
            async with stream:
                async for chunk in stream:
                    begun = True
                    yield chunk.model_dump(warnings=False) if isinstance(chunk, BaseModel) else chunk
        except _ERRORS as error:
            # Not `from error`: that holds the request, and with it the key and what people said.
            raise self._failure(error, begun) from None

    async def close(self) -> None:
        await self._client.close()

    async def _opened(
        self, system: str, user: str, max_tokens: int
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        try:
            if self._limit == _OLD_LIMIT:
                return await self._create(system, user, {_OLD_LIMIT: max_tokens})
        except openai.BadRequestError as refusal:
            if _NEW_LIMIT not in refusal.message:
                raise
            self._limit = _NEW_LIMIT
        return await self._create(system, user, {_NEW_LIMIT: max_tokens + THOUGHTS})

    async def _create(
        self, system: str, user: str, limit: dict[str, int]
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        return await self._client.chat.completions.create(
            model=self._service.model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body=limit,
            extra_headers=None if self._service.key else {"Authorization": openai.omit},
        )

    def _failure(self, error: Exception, begun: bool) -> AnsweringFailed:
        match error:
            case openai.APIStatusError():
                return self._service.refusal(error.status_code, _words(error))
            case openai.APIConnectionError():
                return self._service.lost(error.__cause__ or error, begun=begun)
            case openai.APIError():  # An error amid the stream.
                return self._service.broken_off(error.message)
        if isinstance(error, _LOST):
            return self._service.lost(error, begun=begun)
        return self._service.unreadable("something that is no answer")


def _words(error: openai.APIStatusError) -> str:
    match error.body:
        case {"message": str(words)} | str(words):
            return words
    return error.message


def _client(service: Service) -> openai.AsyncOpenAI:
    client = openai.AsyncOpenAI(
        # Without one it would be taken from OPENAI_API_KEY.
        api_key=service.key or "none",
        base_url=service.url,
        timeout=service.patience,
        max_retries=RETRIES,
        http_client=http_client(openai.DefaultAsyncHttpxClient),
    )
    # What the environment says besides: OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS.
    client.organization = client.project = None
    client._custom_headers = {}
    _ = client.chat.completions  # Where it is first named it is imported: better here than in the event loop.
    return client
