"""A service that speaks OpenAI's embeddings call: it counts what it is asked, and can refuse or hold it."""

import asyncio
import hashlib
from collections import Counter
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DIMENSIONS = 8
MODEL = "some-model"


class EmbeddingService:
    """Its app, for `tests.serving`. What tells callers apart is the key that they send."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        """How often each text was embedded."""
        self.by: dict[str, Counter[str]] = {}
        """The same for each caller."""
        self.poison = ""
        """A text that has this word is refused, together with all that is sent with it."""
        self.refusal = 400
        self.down = False
        self.mute = False
        """Nothing is answered while this is so."""
        self.passes: int | None = None
        """So many texts are embedded, and further ones held until this is None."""
        self.held: set[str] = set()
        """Callers who wait."""
        self.app = Starlette(routes=[Route("/v1/embeddings", self._embeddings, methods=["POST"])])

    def texts(self, word: str) -> Counter[str]:
        """Those embedded that have the word."""
        return Counter({text: count for text, count in self.asked.items() if word in text})

    async def _embeddings(self, request: Request) -> Response:
        texts: list[str] = (await request.json())["input"]
        caller = request.headers.get("authorization", "").removeprefix("Bearer ")
        while self.mute or self._holds(texts):
            self.held.add(caller)
            await asyncio.sleep(0.01)
            if await request.is_disconnected():
                return Response(status_code=499)
        if self.down:
            return JSONResponse({"error": {"message": "starting"}}, 503)
        self.asked.update(texts)
        self.by.setdefault(caller, Counter()).update(texts)
        if refused := [text for text in texts if self.poison and self.poison in text]:
            return JSONResponse({"error": {"message": f"cannot embed {refused[0]!r}"}}, self.refusal)
        rows = [{"index": n, "embedding": _vector(text)} for n, text in enumerate(texts)]
        return JSONResponse({"object": "list", "model": MODEL, "data": rows})

    def _holds(self, texts: list[str]) -> bool:
        if self.passes is None or texts == ["How many dimensions?"]:
            return False
        if self.passes >= len(texts):
            self.passes -= len(texts)
            return False
        return True


def _vector(text: str) -> list[float]:
    """One that depends on the text alone."""
    return [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]


def environment(url: str, caller: str = "somebody") -> dict[str, Any]:
    """The settings of a process that embeds there."""
    return {
        "MCP_RAG_EMBEDDING_PROVIDER": "openai",
        "MCP_RAG_EMBEDDING_URL": f"{url}/v1",
        "MCP_RAG_EMBEDDING_MODEL": MODEL,
        "MCP_RAG_EMBEDDING_API_KEY": caller,
    }
