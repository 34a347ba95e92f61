"""Claude writes, over Anthropic's Messages API or a service that speaks it, and cites of itself."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING

from mcp_rag.answering import instructions
from mcp_rag.answering.provider import Provider
from mcp_rag.answering.service import Meter, Service
from mcp_rag.answering.writing import Writing
from mcp_rag.models import Claim, Evidence, Quote, Spent, Wanted
from mcp_rag.ports import Brief

if TYPE_CHECKING:
    from anthropic.types import SearchResultBlockParam

    from mcp_rag.answering.anthropic_sdk import Block, Connection

Event = Mapping[str, object]


class AnthropicAnswerer(Provider["Connection"]):
    """The port `Answerer`. `timeout`: seconds until the first word comes, and from one to the next."""

    name = "anthropic"

    def __init__(self, model: str, *, api_key: str, url: str, max_tokens: int = 1024, timeout: float) -> None:
        super().__init__(
            Service("MCP_RAG_ANTHROPIC", url.strip(), model, api_key.strip(), timeout), max_tokens
        )

    def _connect(self) -> "Connection":
        from mcp_rag.answering.anthropic_sdk import Connection

        return Connection(self._service)

    def _events(self, connection: "Connection", brief: Brief) -> AsyncGenerator[object]:
        return connection.events(*request(brief), max_tokens=self._max_tokens)

    def _reading(self, brief: Brief) -> "Reading":
        return Reading(brief, self._service)


class Reading:
    """Reads the events of one stream: blocks of text, one after another, each with its citations.

    `feed` and `end` raise AnsweringFailed where the model refuses, or what comes is no answer.
    """

    def __init__(self, brief: Brief, service: Service) -> None:
        self._writing = Writing(may_search=brief.may_search)
        # The service counts the sources that it was sent.
        self._sources = [number for number, source in enumerate(brief.evidence) if source.text.strip()]
        self._service = service
        self._meter = Meter()
        self._start: int | None = None
        """Where in the text the block begins that is being written."""
        self._quotes: list[Quote] = []
        self._begun = False
        self._stopped: str | None = None
        # Other kinds of events may be added, and say nothing to this version.
        self._readers: Mapping[str, Callable[[Event], list[Spent]]] = {
            "message_start": self._begin,
            "content_block_start": self._open,
            "content_block_delta": self._write,
            "content_block_stop": self._close,
            "message_delta": self._finish,
            "message_stop": self._stop,
        }

    def feed(self, event: object) -> list[Claim | Wanted | Spent]:
        self._begun = True
        if not isinstance(event, Mapping) or not isinstance(event.get("type"), str):
            raise self._service.unreadable("an event of no kind")
        read = self._readers.get(event["type"])
        spent = read(event) if read else []
        return [*spent, *self._writing.claims(self._start)]

    def end(self) -> list[Claim | Wanted]:
        if self._stopped is None:
            raise self._service.unfinished(begun=self._begun)
        cut = self._stopped in ("max_tokens", "model_context_window_exceeded")
        pieces = self._writing.end(cut=cut)
        if cut and not (self._writing.gave or self._writing.over):
            raise self._service.wordy()
        return pieces

    def _begin(self, event: Event) -> list[Spent]:
        match event:
            case {"message": {"usage": {"input_tokens": int()} as usage}}:
                # How much will be written is not known yet, whatever number stands there.
                return self._meter.read(_tokens_read(usage), None)
        return []

    def _open(self, event: Event) -> list[Spent]:
        self._start, self._quotes = self._writing.length, []
        match event:
            case {"content_block": {"type": "text", "text": str(text)}}:
                self._writing.write(text)
        return []

    def _write(self, event: Event) -> list[Spent]:
        match event.get("delta"):
            case {"type": "text_delta", "text": str(text)}:
                self._writing.write(text)
            case {
                "type": "citations_delta",
                "citation": {"search_result_index": int(index), "cited_text": str(words)},
            } if 0 <= index < len(self._sources):
                self._quotes.append(Quote(source=self._sources[index], text=words))
            case {"type": str(kind)} if kind != "text_delta":
                pass  # Thinking, a citation of nothing that was sent, and what may be added.
            case _:
                raise self._service.unreadable("a text that is none")
        return []

    def _close(self, _event: Event) -> list[Spent]:
        if self._start is not None and self._quotes:
            self._writing.cite(self._start, self._quotes)
        self._start, self._quotes = None, []
        return []

    def _finish(self, event: Event) -> list[Spent]:
        match event.get("delta"):
            case {"stop_reason": "refusal", "stop_details": {"explanation": str(words)}}:
                raise self._service.declined(words)
            case {"stop_reason": "refusal"}:
                raise self._service.declined()
            case {"stop_reason": str(reason)}:
                self._stopped = reason
        match event.get("usage"):
            case Mapping() as usage:
                return self._meter.read(_tokens_read(usage), usage.get("output_tokens"))
        return []

    def _stop(self, _event: Event) -> list[Spent]:
        self._stopped = self._stopped or "end_turn"
        return []


def request(brief: Brief) -> "tuple[str, list[Block]]":
    """The system text, and the content of the one message that is sent."""
    system, user = instructions.cited(brief)
    sources = [_source(source, brief) for source in brief.evidence if source.text.strip()]
    return system, [*sources, {"type": "text", "text": user}]


def _source(source: Evidence, brief: Brief) -> "SearchResultBlockParam":
    """A source in sentences, which are the least that can be cited."""
    return {
        "type": "search_result",
        "source": source.hit.url,
        "title": instructions.heading(source, brief.now),
        "content": [
            {"type": "text", "text": instructions.sendable(sentence)}
            for sentence in source.sentences
            if sentence.strip()
        ],
        "citations": {"enabled": True},
    }


def _tokens_read(usage: Event) -> int | None:
    """All tokens that were read, those of a cache included; None where it is not said."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    counts = [count for name in names if isinstance(count := usage.get(name), int)]
    return sum(counts) if isinstance(usage.get("input_tokens"), int) else None
