"""Any service that speaks OpenAI's embeddings call: OpenAI, Ollama, vLLM, LM Studio, and others."""

import asyncio
from collections.abc import Mapping, Sequence

import httpx2
import numpy as np
from pydantic import BaseModel, ValidationError

from mcp_rag.embedding import catalogue
from mcp_rag.embedding.unit import unit
from mcp_rag.errors import EmbeddingFailed, EmbeddingUnavailable, ModelError, ModelNotFound, NotReady
from mcp_rag.models import EmbeddingModel
from mcp_rag.ports import Vectors

MAX_BATCH_TEXTS = 64
# What such an answer says is of the service, not of the texts.
_NOT_THE_TEXT = frozenset({401, 403, 429, 502, 503, 504})
_NO_CONNECTION = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.InvalidURL)
# Services refuse what is longer than their model reads, usually 8192 tokens. A passage is far shorter.
MAX_CHARACTERS = 8000
MAX_RETRIES = 3
# A service that asks for a longer pause, in seconds, is taken to be down.
MAX_PAUSE = 10.0
_TIMEOUT = httpx2.Timeout(60, connect=5)
_REMEDY = "Check MCP_RAG_EMBEDDING_URL (it usually ends in /v1) and that the service runs."


class _Embedding(BaseModel):
    index: int | None = None
    embedding: list[float]


class _Embeddings(BaseModel):
    data: list[_Embedding]


class OpenAIEmbedder:
    """The port `Embedder` over HTTP.

    `batch`: texts in a request, at most. `backoff`: seconds before the first retry, doubled for each more.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        batch: int = MAX_BATCH_TEXTS,
        backoff: float = 0.5,
    ) -> None:
        self._url = f"{url.rstrip('/')}/embeddings"
        self._name = model
        self._key = api_key
        self._batch = batch
        self._backoff = backoff
        known = catalogue.find(model)
        self._query_prefix = known.query_prefix if known else ""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx2.AsyncClient(headers=headers, timeout=_TIMEOUT)
        self._loading = asyncio.Lock()
        self._model: EmbeddingModel | None = None

    @property
    def model(self) -> EmbeddingModel:
        if self._model is None:
            raise NotReady("The embedding service has not answered yet.")
        return self._model

    @property
    def batch(self) -> int:
        return self._batch

    async def load(self) -> None:
        """Learn from a first answer how many dimensions the vectors have.

        Raises:
            ModelNotFound: the service does not know the model.
            EmbeddingFailed: the service cannot be reached, or refuses.
        """
        await self._loaded()

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        model = await self._loaded()
        vectors = np.zeros((len(texts), model.dimensions), np.float32)
        for start in range(0, len(texts), self._batch):
            batch = texts[start : start + self._batch]
            vectors[start : start + len(batch)] = self._checked(await self._request(batch), model)
        return vectors

    async def embed_query(self, text: str) -> Vectors:
        model = await self._loaded()
        vectors: Vectors = self._checked(await self._request([self._query_prefix + text]), model)[0]
        return vectors

    async def close(self) -> None:
        await self._client.aclose()

    async def _loaded(self) -> EmbeddingModel:
        async with self._loading:
            if self._model is None:
                dimensions = (await self._request(["How many dimensions?"])).shape[1]
                self._model = EmbeddingModel(
                    name=self._name, dimensions=dimensions, fingerprint=f"openai:{self._name}"
                )
            return self._model

    def _checked(self, vectors: Vectors, model: EmbeddingModel) -> Vectors:
        if vectors.shape[1] != model.dimensions:
            raise EmbeddingFailed(
                f"The embedding service gave {vectors.shape[1]} dimensions, and {model.dimensions} before.",
                remedy=_REMEDY,
            )
        return vectors

    async def _request(self, texts: Sequence[str]) -> Vectors:
        response = await self._answer(
            {"model": self._name, "input": [_sendable(text) for text in texts], "encoding_format": "float"}
        )
        if response.status_code != 200:
            raise self._refusal(response)
        return _vectors(response.content, len(texts))

    async def _answer(self, body: Mapping[str, object]) -> httpx2.Response:
        """What the service answers once it is not too busy, or its last answer when it stays so."""
        for retry in range(MAX_RETRIES):
            response = await self._post(body)
            pause = _retry_after(response) or self._backoff * 2**retry
            if not _is_busy(response) or pause > MAX_PAUSE:
                return response
            await asyncio.sleep(pause)
        return await self._post(body)

    async def _post(self, body: Mapping[str, object]) -> httpx2.Response:
        if self._client.is_closed:
            raise EmbeddingUnavailable("The embedding service was closed.", remedy="Start the server again.")
        try:
            return await self._client.post(self._url, json=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            # One that took the texts and then gave no answer may have failed over them.
            failed = EmbeddingUnavailable if isinstance(error, _NO_CONNECTION) else EmbeddingFailed
            raise failed(
                f"The embedding service at {self._shown_url} cannot be reached: {reason}.",
                remedy=_REMEDY,
                bare="The embedding service gave no answer.",
            ) from error

    @property
    def _shown_url(self) -> str:
        """The URL without a name and password that may stand in it."""
        scheme, separator, rest = self._url.partition("://")
        return scheme + separator + rest.rpartition("@")[2]

    def _refusal(self, response: httpx2.Response) -> ModelError:
        status = f"{response.status_code} {response.reason_phrase}"
        if response.status_code in (401, 403):
            # Such an answer may repeat the key, whole or in part, and so is not shown.
            return EmbeddingUnavailable(
                f"The embedding service at {self._shown_url} refused the key ({status}).",
                remedy="Set MCP_RAG_EMBEDDING_API_KEY to a key for the service at MCP_RAG_EMBEDDING_URL.",
            )
        answer = f"The embedding service at {self._shown_url} answered {status}: {self._words(response)}."
        if response.status_code == 404:
            return ModelNotFound(
                answer, remedy=f"Set MCP_RAG_EMBEDDING_MODEL to a model that it has. {_REMEDY}"
            )
        failed = EmbeddingUnavailable if response.status_code in _NOT_THE_TEXT else EmbeddingFailed
        bare = f"The embedding service answered with status {response.status_code}."
        return failed(answer, remedy=_REMEDY, bare=bare)

    def _words(self, response: httpx2.Response) -> str:
        words = " ".join(response.text.split())
        said = words.replace(self._key, "***") if self._key else words
        return said[:200].rstrip(".")


def _sendable(text: str) -> str:
    """What services accept: valid Unicode, not too long, and not nothing."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8").replace("\0", " ") or " "


def _is_busy(response: httpx2.Response) -> bool:
    return response.status_code == 429 or response.status_code >= 500


def _retry_after(response: httpx2.Response) -> float | None:
    """The seconds that the service asks to be left alone. A date instead of seconds is not read."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _vectors(content: bytes, count: int) -> Vectors:
    try:
        embeddings = _Embeddings.model_validate_json(content).data
    except ValidationError as error:
        raise _unreadable(error.errors()[0]["msg"]) from None
    if len(embeddings) != count:
        raise _unreadable(f"{len(embeddings)} vectors for {count} texts")
    rows = _in_order(embeddings)
    if len({len(row) for row in rows}) != 1:
        raise _unreadable("vectors of several lengths")
    return unit(np.array(rows, np.float32))


def _in_order(embeddings: Sequence[_Embedding]) -> list[list[float]]:
    """The vectors in the order of the texts. A service that does not number them keeps the order."""
    places = [place if item.index is None else item.index for place, item in enumerate(embeddings)]
    if sorted(places) != list(range(len(embeddings))):
        raise _unreadable("vectors that are misnumbered")
    return [embeddings[place].embedding for place in np.argsort(places)]


def _unreadable(what: str) -> EmbeddingFailed:
    return EmbeddingFailed(
        f"The embedding service answered with {what}.",
        remedy=_REMEDY,
        bare="The embedding service answered with something that cannot be read.",
    )
