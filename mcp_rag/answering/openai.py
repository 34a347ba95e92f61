"""Any service that speaks OpenAI's chat completions: OpenAI, Ollama, vLLM, llama.cpp, and others."""

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING

from mcp_rag.answering import instructions
from mcp_rag.answering.marked import Marked
from mcp_rag.answering.provider import Provider
from mcp_rag.answering.service import Meter, Service
from mcp_rag.models import Claim, Spent, Wanted
from mcp_rag.ports import Brief

if TYPE_CHECKING:
    from mcp_rag.answering.openai_sdk import Connection


class OpenAIAnswerer(Provider["Connection"]):
    """The port `Answerer`. `timeout`: seconds until the first word comes, and from one to the next."""

    name = "openai"

    def __init__(
        self, model: str, *, api_key: str | None, url: str, max_tokens: int = 1024, timeout: float
    ) -> None:
        key = api_key.strip() if api_key else None
        super().__init__(Service("MCP_RAG_OPENAI", url.strip(), model, key or None, timeout), max_tokens)

    def _connect(self) -> "Connection":
        from mcp_rag.answering.openai_sdk import Connection

        return Connection(self._service)

    def _events(self, connection: "Connection", brief: Brief) -> AsyncGenerator[object]:
        return connection.chunks(*instructions.prompt(brief), max_tokens=self._max_tokens)

    def _reading(self, brief: Brief) -> "Reading":
        return Reading(brief, self._service)


class Reading:
    """Reads the chunks of one stream.

    `feed` and `end` raise AnsweringFailed where the model refuses, or what comes is no answer.
    """

    def __init__(self, brief: Brief, service: Service) -> None:
        self._marked = Marked(brief)
        self._service = service
        self._meter = Meter()
        self._begun = False
        self._stopped: str | None = None

    def feed(self, chunk: object) -> list[Claim | Wanted | Spent]:
        if not isinstance(chunk, Mapping):
            raise self._service.unreadable("a chunk that is none")
        self._begun = True
        pieces: list[Claim | Wanted | Spent] = []
        match chunk.get("choices"):
            case [{"delta": delta} as choice, *_]:
                pieces += self._write(delta)
                self._finish(choice.get("finish_reason"))
        match chunk.get("usage"):
            case {"prompt_tokens": read, "completion_tokens": written}:
                pieces += self._meter.read(read, written)
        return pieces

    def end(self) -> list[Claim | Wanted]:
        if self._stopped is None:
            raise self._service.unfinished(begun=self._begun)
        cut = self._stopped == "length"
        pieces = self._marked.end(cut=cut)
        if cut and not (self._marked.writing.gave or self._marked.writing.over):
            raise self._service.wordy()
        return pieces

    def _write(self, delta: object) -> list[Claim | Wanted]:
        match delta:
            case {"refusal": str(words)} if words:
                raise self._service.declined(words)
            case {"content": str(text)}:
                return self._marked.feed(text)
            case None | {"content": None}:
                return []
            case Mapping() if "content" not in delta:
                return []
        raise self._service.unreadable("a text that is none")

    def _finish(self, reason: object) -> None:
        if reason == "content_filter":
            raise self._service.declined()
        if isinstance(reason, str):
            self._stopped = reason
