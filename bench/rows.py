"""Conversations to the rows that the product would store of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from pgvector import HalfVector

from bench.corpus import embedded_texts
from bench.vectors import Blends, replies
from mcp_rag import indexing, languages, names, segments, surroundings
from mcp_rag.indexing import IndexedPassage
from mcp_rag.models import NewConversation, StoredMessage
from mcp_rag.postgres.rows import weights
from mcp_rag.rag import DEFAULT_TENANT
from mcp_rag.reconciliation import identify

COLUMNS = {
    "conversation": (
        "tenant_id", "conversation_key", "conversation_id", "title", "source", "kind", "tags",
        "message_count", "started_at", "ended_at", "surroundings", "language",
    ),
    "message": (
        "tenant_id", "message_key", "conversation_key", "position", "identity", "digest", "speaker",
        "sent_at", "text",
    ),
    "passage": (
        "tenant_id", "passage_key", "conversation_key", "message_key", "start", "stop", "context", "speaker",
        "sent_at", "terms", "weights", "length", "weighing",
    ),
    "segment": ("tenant_id", "conversation_key", "first", "last", "weights"),
    "speaker_name": ("tenant_id", "name", "conversation_key", "speaker"),
    "embedding": ("tenant_id", "passage_key", "model_key", "vector", "reply", "recipe"),
}  # fmt: skip
"""Of each table, in the order of their references."""

Row = tuple[object, ...]


@dataclass(frozen=True)
class Part:
    """Conversations that follow one another in `Corpus.grown`, and the first keys that are theirs."""

    conversations: list[NewConversation]
    place: int
    """Of the first in `Corpus.grown`."""
    message_key: int
    passage_key: int
    passages: int


@dataclass(frozen=True)
class Told:
    """A conversation on its way into the tables."""

    place: int
    conversation: NewConversation
    messages: list[StoredMessage]
    language: str | None

    @property
    def key(self) -> int:
        return self.place + 1


@dataclass(frozen=True)
class Writer:
    blends: Blends
    originals: int
    """Conversations of the corpus, which are told first and then retold in their order."""
    model_key: int
    average_length: float

    def rows(self, part: Part) -> dict[str, list[Row]]:
        """By table."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        messages, passages = count(part.message_key), count(part.passage_key)
        for place, conversation in enumerate(part.conversations, start=part.place):
            told = _told(place, conversation, messages)
            for table, rows in self._tables(told, passages):
                found[table] += ((DEFAULT_TENANT, *row) for row in rows)
        return found

    def _tables(self, told: Told, keys: Iterator[int]) -> Iterator[tuple[str, Iterable[Row]]]:
        yield "conversation", [_conversation(told)]
        yield "message", _messages(told)
        passages = [(next(keys), found) for found in index(told, self.average_length)]
        yield "passage", [_passage(told.key, key, found) for key, found in passages]
        yield "segment", _segments(told)
        yield "speaker_name", _names(told)
        yield "embedding", self._embeddings(told, passages)

    def _embeddings(self, told: Told, passages: Sequence[tuple[int, IndexedPassage]]) -> Iterator[Row]:
        time, original = divmod(told.place, self.originals)
        vectors = self.blends.make(original, len(passages), time=time)
        texts = embedded_texts(told.conversation)
        for (key, _), vector, reply, text in zip(passages, vectors, replies(vectors), texts, strict=True):
            second = None if text.reply is None else HalfVector(reply)
            yield key, self.model_key, HalfVector(vector), second, segments.RECIPE


def _told(place: int, conversation: NewConversation, keys: Iterator[int]) -> Told:
    messages = [
        StoredMessage(next(keys), position, message.speaker, message.sent_at, message.text)
        for position, message in enumerate(conversation.messages)
    ]
    return Told(place, conversation, messages, languages.detect("\n".join(m.text for m in messages)))


def index(told: Told, average_length: float) -> list[IndexedPassage]:
    return indexing.index(
        told.messages,
        title=told.conversation.title,
        tenant_id=DEFAULT_TENANT,
        average_length=average_length,
        language=told.language,
    )


def _conversation(told: Told) -> Row:
    said, dates = told.conversation, [m.sent_at for m in told.messages if m.sent_at]
    return (
        told.key, said.conversation_id, said.title, said.source, said.kind, sorted(said.tags),
        len(said.messages), min(dates, default=None), max(dates, default=None), surroundings.VERSION,
        told.language,
    )  # fmt: skip


def _messages(told: Told) -> Iterator[Row]:
    incoming, _ = identify(list(enumerate(told.conversation.messages)))
    for message, new in zip(told.messages, incoming, strict=True):
        yield (
            message.message_key, told.key, message.position, new.identity, new.digest, message.speaker,
            message.sent_at, message.text,
        )  # fmt: skip


def _passage(conversation: int, key: int, found: IndexedPassage) -> Row:
    return (
        key, conversation, found.message_key, found.passage.start, found.passage.stop, found.context,
        found.speaker, found.sent_at, found.terms.entries, weights(found.terms), found.terms.length, 1,
    )  # fmt: skip


def _segments(told: Told) -> Iterator[Row]:
    made = segments.segments(
        told.messages, title=told.conversation.title, tenant_id=DEFAULT_TENANT, language=told.language
    )
    for segment in made:
        yield told.key, segment.first, segment.last, weights(segment.terms)


def _names(told: Told) -> Iterator[Row]:
    found = names.aliases((message.speaker, message.text) for message in told.messages)
    for name, speakers in found.items():
        yield from ((name, told.key, speaker) for speaker in speakers)
