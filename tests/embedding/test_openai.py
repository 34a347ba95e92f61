import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mcp_rag import embedding
from mcp_rag.embedding.catalogue import MODELS
from mcp_rag.embedding.openai import MAX_BATCH_TEXTS, MAX_CHARACTERS, OpenAIEmbedder
from mcp_rag.errors import EmbeddingFailed, InvalidSettings, ModelError, ModelNotFound, NotReady
from tests.free_ports import free_port

Serve = Callable[[Starlette], str]
KEY = "sk-a-very-secret-key"
DIMENSIONS = 8


class Service:
    """An embedding service as OpenAI describes it. `replies` are given, one each, before it works again."""

    def __init__(self) -> None:
        self.model = "some-model"
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.replies: list[Response | dict[str, Any]] = []
        self.holding = ""
        self.held = threading.Event()
        self.released = threading.Event()
        self.app = Starlette(routes=[Route("/v1/embeddings", self.embeddings, methods=["POST"])])

    async def embeddings(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("authorization"))
        if self.replies:
            reply = self.replies.pop(0)
            return reply if isinstance(reply, Response) else JSONResponse(reply)
        if self.holding and self.holding in body["input"]:
            self.held.set()
            await run_in_threadpool(self.released.wait, 60)
        if body["model"] != self.model:
            message = f"The model `{body['model']}` does not exist"
            return JSONResponse({"error": {"message": message, "code": "model_not_found"}}, 404)
        return JSONResponse({"object": "list", "model": self.model, "data": rows(body["input"])})


def rows(texts: list[str]) -> list[dict[str, Any]]:
    return [{"object": "embedding", "index": n, "embedding": direction(text)} for n, text in enumerate(texts)]


def direction(text: str) -> list[float]:
    """A vector that depends on the text alone, and is not of unit length."""
    return [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]


def unit(text: str) -> list[float]:
    vector = np.array(direction(text))
    return list(vector / np.linalg.norm(vector))


@pytest.fixture
def service() -> Service:
    return Service()


Connect = Callable[..., OpenAIEmbedder]


@pytest.fixture
async def connect(serve: Serve, service: Service) -> AsyncIterator[Connect]:
    url = f"{serve(service.app)}/v1"
    opened: list[OpenAIEmbedder] = []

    def open_(model: str = "some-model", *, api_key: str | None = KEY) -> OpenAIEmbedder:
        opened.append(OpenAIEmbedder(url, model, api_key=api_key, backoff=0.001))
        return opened[-1]

    yield open_
    for embedder in opened:
        await embedder.close()


@pytest.fixture
async def embedder(connect: Connect) -> OpenAIEmbedder:
    """Connected and loaded."""
    embedder = connect()
    await embedder.load()
    return embedder


async def test_the_first_answer_says_how_many_dimensions_there_are(
    connect: Connect, service: Service
) -> None:
    embedder = connect()
    with pytest.raises(NotReady):
        _ = embedder.model
    await asyncio.gather(*(embedder.load() for _ in range(5)))
    assert embedder.model.model_dump() == {
        "name": "some-model",
        "dimensions": DIMENSIONS,
        "fingerprint": "openai:some-model",
    }
    assert len(service.requests) == 1


async def test_texts_become_unit_vectors_in_their_order(embedder: OpenAIEmbedder) -> None:
    texts = [f"text {n}" for n in range(5)]
    vectors = await embedder.embed_passages(texts)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([unit(text) for text in texts]), abs=1e-6)
    assert await embedder.embed_query("text 3") == pytest.approx(vectors[3])


async def test_the_request_is_as_the_service_wants_it(embedder: OpenAIEmbedder, service: Service) -> None:
    await embedder.embed_passages(["one", "two"])
    assert service.requests[-1] == {
        "model": "some-model",
        "input": ["one", "two"],
        "encoding_format": "float",
    }
    assert service.keys[-1] == f"Bearer {KEY}"


async def test_without_a_key_none_is_sent(connect: Connect, service: Service) -> None:
    await connect(api_key=None).load()
    assert service.keys == [None]


async def test_many_texts_go_in_batches(embedder: OpenAIEmbedder, service: Service) -> None:
    texts = [f"text {n}" for n in range(2 * MAX_BATCH_TEXTS + 1)]
    vectors = await embedder.embed_passages(texts)
    sizes = [len(request["input"]) for request in service.requests[1:]]
    assert sizes == [MAX_BATCH_TEXTS, MAX_BATCH_TEXTS, 1]
    assert vectors[-1] == pytest.approx(unit(texts[-1]), abs=1e-6)


async def test_no_texts_ask_nothing(embedder: OpenAIEmbedder, service: Service) -> None:
    assert (await embedder.embed_passages([])).shape == (0, DIMENSIONS)
    assert len(service.requests) == 1


async def test_vectors_are_put_in_order_by_their_index(embedder: OpenAIEmbedder, service: Service) -> None:
    service.replies = [{"data": rows(["a", "b", "c"])[::-1]}]
    vectors = await embedder.embed_passages(["a", "b", "c"])
    assert vectors == pytest.approx(np.array([unit("a"), unit("b"), unit("c")]), abs=1e-6)


async def test_vectors_without_an_index_keep_their_order(embedder: OpenAIEmbedder, service: Service) -> None:
    service.replies = [{"data": [{"embedding": direction("b")}, {"embedding": direction("a")}]}]
    vectors = await embedder.embed_passages(["b", "a"])
    assert vectors == pytest.approx(np.array([unit("b"), unit("a")]), abs=1e-6)


async def test_any_text_is_made_fit_to_be_sent(embedder: OpenAIEmbedder, service: Service) -> None:
    vectors = await embedder.embed_passages(["", "\0", "😀", "half \ud800", "x" * 1_000_000])
    assert np.isfinite(vectors).all()
    assert service.requests[-1]["input"] == [" ", " ", "😀", "half ?", "x" * MAX_CHARACTERS]


@pytest.mark.parametrize("model", ["bge-small-en-v1.5", "unheard-of"])
async def test_a_question_has_a_prefix_only_if_the_model_is_known_to_want_one(
    connect: Connect, service: Service, model: str
) -> None:
    service.model = model
    await connect(model).embed_query("who?")
    prefix = MODELS[model].query_prefix if model in MODELS else ""
    assert service.requests[-1]["input"] == [f"{prefix}who?"]


async def test_a_question_does_not_wait_behind_passages(embedder: OpenAIEmbedder, service: Service) -> None:
    service.holding = "slow"
    work = asyncio.create_task(embedder.embed_passages(["slow"]))
    assert await asyncio.to_thread(service.held.wait, 60)
    assert await embedder.embed_query("quick") == pytest.approx(unit("quick"), abs=1e-6)
    assert not work.done()
    service.released.set()
    assert (await work).shape == (1, DIMENSIONS)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_not_repeated(connect: Connect, service: Service, status: int) -> None:
    service.replies = [JSONResponse({"error": {"message": f"Incorrect API key: {KEY}"}}, status)]
    with pytest.raises(EmbeddingFailed, match="refused the key") as refusal:
        await connect().load()
    assert "MCP_RAG_EMBEDDING_API_KEY" in str(refusal.value)
    assert "secret" not in str(refusal.value)


async def test_a_model_that_the_service_lacks_is_named(connect: Connect) -> None:
    with pytest.raises(ModelNotFound, match="The model `typo` does not exist") as refusal:
        await connect("typo").load()
    assert "MCP_RAG_EMBEDDING_MODEL" in str(refusal.value)
    assert "MCP_RAG_EMBEDDING_URL" in str(refusal.value)


async def test_a_busy_service_is_asked_again_after_the_pause_it_wants(
    embedder: OpenAIEmbedder, service: Service
) -> None:
    service.replies = [PlainTextResponse("slow down", 429, {"Retry-After": "0.3"})]
    begun = asyncio.get_running_loop().time()
    vector = await embedder.embed_query("text")
    assert asyncio.get_running_loop().time() - begun >= 0.29
    assert vector == pytest.approx(unit("text"), abs=1e-6)


async def test_a_service_that_fails_once_is_asked_again(embedder: OpenAIEmbedder, service: Service) -> None:
    service.replies = [PlainTextResponse("", 503), PlainTextResponse("", 500)]
    assert await embedder.embed_query("text") == pytest.approx(unit("text"), abs=1e-6)


async def test_a_service_that_keeps_failing_is_given_up(embedder: OpenAIEmbedder, service: Service) -> None:
    service.replies = [PlainTextResponse(f"out of order, {KEY}. " * 50, 500) for _ in range(9)]
    with pytest.raises(EmbeddingFailed, match="500 Internal Server Error: out of order") as failure:
        await embedder.embed_query("text")
    assert len(service.requests) == 1 + 4
    assert "secret" not in str(failure.value)
    assert len(str(failure.value)) < 500


async def test_a_service_that_wants_an_hour_is_not_waited_for(
    embedder: OpenAIEmbedder, service: Service
) -> None:
    service.replies = [PlainTextResponse("", 429, {"Retry-After": "3600"})]
    with pytest.raises(EmbeddingFailed, match="429"):
        await embedder.embed_query("text")
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        PlainTextResponse("<html>"),
        {"embeddings": []},
        {"data": [{"index": 0, "embedding": "AACAPw=="}, {"index": 1, "embedding": "AACAPw=="}]},
        {"data": rows(["only one"])},
        {"data": rows(["one", "two", "three"])},
        {"data": [{"index": 7, "embedding": [1.0] * 8}, {"index": 7, "embedding": [1.0] * 8}]},
        {"data": [{"index": 0, "embedding": [1.0] * 8}, {"index": 1, "embedding": [1.0] * 9}]},
        {"data": [{"index": 0, "embedding": [1.0] * 9}, {"index": 1, "embedding": [1.0] * 9}]},
        {"data": [{"index": 0, "embedding": [0.0] * 8}, {"index": 1, "embedding": [1.0] * 8}]},
        {"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]},
        Response(json.dumps({"data": [{"embedding": [float("nan")] * 8}] * 2})),
    ],
    ids=[
        "not json",
        "no data",
        "base64",
        "too few",
        "too many",
        "misnumbered",
        "several lengths",
        "other dimensions",
        "no direction",
        "nothing",
        "not numbers",
    ],
)
async def test_an_answer_that_makes_no_sense_is_refused(
    embedder: OpenAIEmbedder, service: Service, reply: Response | dict[str, Any]
) -> None:
    service.replies = [reply]
    with pytest.raises(EmbeddingFailed):
        await embedder.embed_passages(["one", "two"])


async def test_a_service_that_is_not_there_is_named_without_its_password() -> None:
    port = free_port()
    embedder = OpenAIEmbedder(f"http://user:{KEY}@127.0.0.1:{port}/v1", "some-model")
    with pytest.raises(EmbeddingFailed, match=f"127.0.0.1:{port}/v1/embeddings cannot be reached") as failure:
        await embedder.load()
    await embedder.close()
    assert "MCP_RAG_EMBEDDING_URL" in str(failure.value)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["localhost:11434/v1", "ftp://localhost/v1", "http://[::1/v1", "http://"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    embedder = OpenAIEmbedder(url, "some-model")
    with pytest.raises(ModelError, match="cannot be reached") as failure:
        await embedder.load()
    await embedder.close()
    assert "MCP_RAG_EMBEDDING_URL" in str(failure.value)


async def test_a_closed_embedder_says_so(embedder: OpenAIEmbedder) -> None:
    await embedder.close()
    with pytest.raises(EmbeddingFailed, match="was closed"):
        await embedder.embed_query("text")


async def test_the_provider_is_created_by_name_and_needs_an_address() -> None:
    embedder = embedding.create("openai", "some-model", url="http://localhost:11434/v1")
    assert isinstance(embedder, OpenAIEmbedder)
    await embedder.close()
    with pytest.raises(InvalidSettings, match="MCP_RAG_EMBEDDING_URL"):
        embedding.create("openai", "some-model")
