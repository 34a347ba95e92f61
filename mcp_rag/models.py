"""The nouns of the service. All are frozen; times are aware datetimes."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.json_schema import SkipJsonSchema

from mcp_rag.errors import InvalidInput

Kind = Literal["chat", "document"]
Completed = Literal["conversation_ids", "speakers", "sources", "tags"]
Confidence = Literal["high", "low", "none"]
Mode = Literal["hybrid", "lexical"]


class Frozen(BaseModel):
    # What was stored or asked does not belong into the words of an error.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


SCHEME = "conversation://"


class Address(Frozen):
    """Where a conversation or one of its messages is found: `conversation://{id}[/messages/{position}]`."""

    conversation_id: str
    position: int | None = None

    @property
    def uri(self) -> str:
        whole = f"{SCHEME}{quote(self.conversation_id, safe='')}"
        return whole if self.position is None else f"{whole}/messages/{self.position}"

    @property
    def id(self) -> str:
        return self.conversation_id if self.position is None else f"{self.conversation_id}#{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI, a hit's id, or a bare conversation id.

        Raises:
            InvalidInput: it is a URI of no message.
        """
        if text.startswith(SCHEME):
            whole, message, position = text.removeprefix(SCHEME).partition("/messages/")
            conversation_id = unquote(whole)
            if message and not _is_position(position):
                raise InvalidInput(f"{text!r} is not the address of a message.")
        else:
            conversation_id, separator, position = text.rpartition("#")
            if not (conversation_id and separator and _is_position(position)):
                conversation_id, position = text, ""
        return cls(
            conversation_id=conversation_id, position=int(position) if _is_position(position) else None
        )


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


class NewMessage(Frozen):
    """A message as its caller gives it."""

    text: str = Field(description="Word for word.")
    speaker: str | None = Field(None, description="A name, 'user' or 'assistant'.")
    sent_at: datetime | None = Field(None, description="When, ISO 8601. UTC when no zone is given.")
    message_id: str | None = Field(None, description="Your own id: an edited message replaces the old.")


class NewConversation(Frozen):
    """A conversation as an importer reads it."""

    conversation_id: str
    messages: tuple[NewMessage, ...]
    title: str | None = None
    source: str | None = None
    kind: Kind = "chat"
    tags: tuple[str, ...] = ()


class Conversation(Frozen):
    conversation_id: str
    title: str | None = None
    source: str | None = None
    kind: Kind
    tags: tuple[str, ...]
    message_count: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime

    @property
    def uri(self) -> str:
        return Address(conversation_id=self.conversation_id).uri


class Message(Frozen):
    position: int
    speaker: str | None = None
    sent_at: datetime | None = None
    text: str


class Passage(Frozen):
    """A stretch of one message, `text[start:stop]`, counted in characters: the unit that is ranked."""

    start: int
    stop: int
    text: str


class Skipped(Frozen):
    index: int | None = Field(
        None, description="Which of the sent messages, counted from 0; none: all of them."
    )
    reason: str


class Receipt(Frozen):
    """What an ingest did, after it was committed."""

    conversation_id: str
    uri: str = ""
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = Field(0, description="Sections that a new version of a document no longer has.")
    skipped: tuple[Skipped, ...] = ()
    message_count: int = Field(0, description="Messages that the conversation holds now.")
    pending: int = Field(0, description="Passages found by words already, by meaning in a moment.")
    job: str = Field("", description="Where to read how many of them still wait, if they are many.")
    replayed: SkipJsonSchema[bool] = Field(False, exclude=True)
    """It is of an earlier call with the same key."""


class Job(Frozen):
    """How far the vectors of a conversation are: what is left of a large ingest that was committed."""

    uri: str
    conversation_id: str
    state: Literal["running", "done", "failed"] = Field(
        description="Some wait; or none does, and all could be embedded (done) or not (failed)."
    )
    passages: int = Field(description="All that the conversation has, found by their words.")
    embedded: int = Field(description="Those that are found by meaning too.")
    waiting: int
    set_aside: int = Field(description="Those that could not be embedded and are not tried again.")


class Filters(Frozen):
    """Which part of the store to look at. Empty means all of it."""

    conversation_id: str | None = Field(None, description="Only this conversation.")
    speaker: str | None = Field(None, description="Only what this speaker said.")
    source: str | None = Field(None, description="Only from this source, e.g. 'claude'.")
    tags: tuple[str, ...] = Field((), description="Only conversations with all of these tags.")
    since: datetime | None = Field(None, description="Only messages from then on, ISO 8601.")
    until: datetime | None = Field(None, description="Only messages before then, ISO 8601.")

    @classmethod
    def of(
        cls,
        *,
        conversation_id: str | None = None,
        speaker: str | None = None,
        source: str | None = None,
        tags: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Self:
        """From what a caller gave, tags in a list or not at all."""
        return cls(
            conversation_id=conversation_id,
            speaker=speaker,
            source=source,
            tags=tuple(tags or ()),
            since=since,
            until=until,
        )


EVERYTHING = Filters()


class Miss(Frozen):
    """A passage that was looked at. `url` is its address: read more there with `fetch`."""

    id: str
    title: str
    url: str
    conversation_id: str
    position: int
    speaker: str | None = None
    date: datetime | None = None
    text: str
    score: Annotated[float, Field(description="0 to 1, comparable within one result only.")]


class Hit(Miss):
    """A passage that was found, with what was said around it."""

    before: tuple[str, ...] = Field(
        (), description="What was said just before it, cut short.", exclude_if=operator.not_
    )
    after: tuple[str, ...] = Field(
        (), description="What was said just after it, cut short.", exclude_if=operator.not_
    )
    why: dict[str, float] | None = Field(
        None, description="What its score is made of, when asked for.", exclude_if=operator.not_
    )


class SearchResult(Frozen):
    """One page of hits, best first."""

    results: tuple[Hit, ...]
    confidence: Confidence = Field(description="Whether the store holds what was asked for.")
    certainty: float = Field(0.0, description="The same as a probability.")
    mode: Mode
    total: int = Field(description="Hits that were ranked for this query, over all pages.")
    omitted: int = Field(0, description="Hits of this page left out to stay within max_tokens.")
    next_cursor: str | None = None
    notice: str | None = None


class Word(Frozen):
    """A word of a question as the leg of words takes it."""

    word: str
    share: float = Field(description="What the word weighs of the question, by its rarity: 0 to 1.")
    passages: int = Field(description="Passages of the store that have it, in one form or another.")


class Understood(Frozen):
    """What was read out of a question."""

    embedded_as: str = Field(description="The text whose meaning is searched for: without names.")
    words: tuple[Word, ...]
    speakers: dict[str, float] = Field(description="Whose messages are preferred, and how much of the bonus.")
    times: tuple[str, ...] = Field(description="Times that it speaks of; messages from then are preferred.")
    asks_when: bool = Field(description="Messages that say when are preferred.")
    parts: tuple[str, ...] = Field(description="Questions that were searched for by themselves too.")


class Standing(Frozen):
    """Where one message stands for a question, and why not higher."""

    uri: str
    rank: int | None = Field(description="Its place, from 1 on; null: neither leg found it.")
    score: float = Field(description="Its score; if neither leg found it, what it would have been.")
    why: dict[str, float] = Field(description="What that is made of.")
    reasons: tuple[str, ...] = Field(description="Why it does not stand higher, the weightiest first.")


class Explanation(Frozen):
    """Why a search gives what it gives."""

    question: Understood
    result: SearchResult
    message: Standing | None = Field(None, description="The message that was asked about.")


class Citation(Frozen):
    n: int
    uri: str
    quote: str
    title: str
    speaker: str | None = None
    date: datetime | None = None
    verified: bool = Field(description="The quote stands word for word in the stored message.")


class Turn(Frozen):
    """An earlier turn of the talk that a question belongs to, as the caller gives it."""

    role: Literal["user", "assistant"]
    text: str


class Account(Frozen):
    """Who wrote an answer, and what that took."""

    provider: str = "extractive"
    model: str | None = Field(None, description="Null where no model wrote.")
    tokens_in: int = 0
    tokens_out: int = 0
    milliseconds: dict[str, int] = Field({}, description="By stage; `total` is the whole.")
    cached: bool = Field(False, description="Kept from an earlier call; nothing has changed since.")
    notice: str | None = Field(None, description="What was left out or done otherwise, and why.")


class Answer(Frozen):
    answered: Literal[True] = True
    text: str = Field(description="The answer; [n] points at citation n.")
    citations: tuple[Citation, ...]
    confidence: Confidence
    account: Account = Account()


class NoAnswer(Frozen):
    answered: Literal[False] = False
    reason: str
    nearest: tuple[Miss, ...] = Field((), description="The nearest misses, which do not answer.")
    account: Account = Account()


class Reply(RootModel[Answer | NoAnswer]):
    """Either an answer with its citations, or word that the store has none."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"type": "object"})


# An answer as it comes: the sources, then sentence after sentence with its citations, then the whole.


class Sources(Frozen):
    """What the answer will be made of, before anything is written."""

    hits: tuple[Hit, ...]


class Delta(Frozen):
    """The next words of the answer. Every quote that they stand on has been verified."""

    text: str


class Done(Frozen):
    """The whole reply; it is what the deltas and citations before it add up to."""

    reply: Answer | NoAnswer


Event = Sources | Delta | Citation | Done


# What is between the service and who writes the answer.


class Evidence(Frozen):
    """A hit as an answerer reads it: the passage whole, in sentences that together are its text."""

    hit: Hit
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.sentences)


class Quote(Frozen):
    """Words that a claim takes from `evidence[source]`."""

    source: int
    text: str


class Claim(Frozen):
    """A sentence of an answer, with the space before it, and the quotes it stands on: not verified yet."""

    text: str
    quotes: tuple[Quote, ...]


class Wanted(Frozen):
    """A search that would help to answer, in place of an answer."""

    question: str


class Prompt(Frozen):
    """What a model that is asked by somebody else is to read."""

    system: str
    user: str
    max_tokens: int


class Drafted(Frozen):
    """What such a model has written: not verified yet."""

    text: str
    model: str


class Spent(Frozen):
    """Tokens that a model has read and written since it was last said."""

    tokens_in: int = 0
    tokens_out: int = 0


class Extract(Frozen):
    """A stretch of a conversation, read in order."""

    conversation: Conversation
    messages: tuple[Message, ...]
    next_position: int | None = Field(None, description="Where the rest begins, if anything was left out.")


class ConversationPage(Frozen):
    conversations: tuple[Conversation, ...]
    next_cursor: str | None = None


class Erasure(Frozen):
    """What a `forget` removes (`dry_run`) or has removed."""

    dry_run: bool
    conversation_ids: tuple[str, ...]
    messages: int
    passages: int
    vectors: int


class EmbeddingModel(Frozen):
    """Which model makes the vectors; two vectors are compared only if all of this is equal."""

    name: str
    dimensions: int
    fingerprint: str = Field(description="sha256 of the weights, or the provider's name for them.")


class SetAside(Frozen):
    """A passage that is found by its words only, because the model could not embed it."""

    uri: str = Field(description="The message that it is of.")
    error: str
    failed_at: datetime = Field(description="When it was tried last.")


class BacklogState(Frozen):
    """What waits for a vector in the whole store, of all tenants together."""

    waiting: int = Field(description="Passages that wait, without those set aside.")
    set_aside: int = Field(description="Passages that could not be embedded.")
    oldest: datetime | None = Field(description="Since when the oldest of the waiting waits.")


class TenantUsage(Frozen):
    """What tenants use, by name of those with the most; what all others have together is under ''."""

    passages: Mapping[str, int] = Field(description="Passages that are stored.")
    tokens: Mapping[str, int] = Field(description="Tokens that models read and wrote, of one day.")


class Status(Frozen):
    """What the store holds and whether its parts are ready."""

    version: str
    conversations: int
    messages: int
    passages: int
    pending: int = Field(description="Passages that still wait for their vector.")
    set_aside: int = Field(0, description="Passages that could not be embedded and are not tried again.")
    failures: tuple[SetAside, ...] = Field((), description="Those that failed last, at most 20.")
    model: EmbeddingModel | None
    mode: Mode
    database: str
    notice: str | None = None


# Rows of the store as the service handles them: many per call, so plain and unvalidated.


@dataclass(frozen=True, slots=True)
class Changed:
    """A conversation that a caller has changed, for the audit log."""

    conversation_key: int
    digest: bytes
    """Of its id, as in a tombstone."""
    messages: int


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    identity: bytes
    message_key: int
    position: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StoredMessage:
    message_key: int
    position: int
    speaker: str | None
    sent_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A passage without a vector, and the texts to embed for it: alone, and after the message before it."""

    passage_key: int
    text: str
    reply: str | None


@dataclass(frozen=True, slots=True)
class Embedded:
    """A passage with its vectors, each of shape (dimensions,) and unit length."""

    passage_key: int
    vector: NDArray[np.float32]
    reply: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A passage that the model could not embed, and why, without a word of its text."""

    passage_key: int
    error: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that a leg found, with both legs' scores."""

    passage_key: int
    message_key: int
    conversation_key: int
    conversation_id: str
    title: str | None
    position: int
    speaker: str | None
    sent_at: datetime | None
    text: str
    lexical: float
    """BM25."""
    segment: float | None
    """BM25 of the messages that it was said among, together; None until they were indexed."""
    similarity: float | None
    """Cosine with the question; None while the passage has no vector."""
    reply: float | None
    """The same of the passage after the message before it; None where there is none."""
    coverage: float
    """The share of the question's words, weighed by rarity, that the passage has: 0 to 1."""
    by_words: bool = True
    """The leg of words found it."""
    by_meaning: bool = True
    """The leg of vectors found it. Where neither did, it was asked for by its key."""

    @property
    def found(self) -> bool:
        return self.by_words or self.by_meaning
