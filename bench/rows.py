"""Conversations to the rows that the product would store of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from pgvector import HalfVector

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
class Told:
    """A conversation on its way into the tables."""

    key: int
    conversation: NewConversation
    messages: list[StoredMessage]
    language: str | None


class Writer:
    """Numbers what it is given, in the order in which it comes."""

    def __init__(self, blends: Blends, *, originals: int, model_key: int, average_length: float) -> None:
        """`originals`: conversations of the corpus, which are told first and then retold in their order."""
        self._blends = blends
        self._originals = originals
        self._model_key = model_key
        self._average_length = average_length
        self._conversations, self._messages, self._passages = count(1), count(1), count(1)

    def rows(self, conversations: Sequence[tuple[int, NewConversation]]) -> dict[str, list[Row]]:
        """By table. A conversation comes with its place in `Corpus.grown`."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for place, conversation in conversations:
            for table, rows in self._tables(place, conversation):
                found[table] += ((DEFAULT_TENANT, *row) for row in rows)
        return found

    def _tables(self, place: int, conversation: NewConversation) -> Iterator[tuple[str, list[Row]]]:
        told = self._told(conversation)
        yield "conversation", [_conversation(told)]
        yield "message", list(_messages(told))
        passages = [(next(self._passages), found) for found in index(told, self._average_length)]
        yield "passage", [_passage(told.key, key, found) for key, found in passages]
        yield "segment", list(_segments(told))
        yield "speaker_name", list(_names(told))
        yield "embedding", list(self._embeddings(place, told, passages))

    def _told(self, conversation: NewConversation) -> Told:
        messages = [
            StoredMessage(next(self._messages), position, message.speaker, message.sent_at, message.text)
            for position, message in enumerate(conversation.messages)
        ]
        language = languages.detect("\n".join(message.text for message in messages))
        return Told(next(self._conversations), conversation, messages, language)

    def _embeddings(
        self, place: int, told: Told, passages: Sequence[tuple[int, IndexedPassage]]
    ) -> Iterator[Row]:
        again, original = divmod(place, self._originals)
        vectors = self._blends.make(original, len(passages), retold=again > 0)
        first = told.messages[0].message_key
        for (key, found), vector, reply in zip(passages, vectors, replies(vectors), strict=True):
            follows = found.message_key != first and found.passage.start == 0
            second = HalfVector(reply) if follows else None
            yield key, self._model_key, HalfVector(vector), second, segments.RECIPE


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
