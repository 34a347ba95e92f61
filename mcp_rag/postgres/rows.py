"""Rows of the database as the service handles them, and back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
from pgvector import SparseVector

from mcp_rag.candidates import Plan
from mcp_rag.lexicon import TERM_SPACE, Terms
from mcp_rag.models import Candidate, Conversation, Kind


@dataclass(frozen=True)
class OpenConversation:
    key: int
    kind: Kind
    title: str | None
    language: str | None
    created: bool
    """There was none before."""
    retitled: bool
    """It has messages that were indexed under another title."""
    titled: bool = False
    """Its title is another than before, or its first."""
    described: bool = False
    """Its title, source, tags or kind are others than before."""


@dataclass(frozen=True)
class ForgetScope:
    conversations: dict[int, str]
    """Key to id."""
    message_keys: list[int]
    messages: list[tuple[int, bytes]]
    """Conversation key and identity of each message."""
    positions: list[int]
    """Of each message in its conversation."""

    @property
    def sizes(self) -> dict[int, int]:
        """Messages of each conversation that is meant, by its key."""
        counts = Counter(conversation for conversation, _ in self.messages)
        return {key: counts[key] for key in self.conversations}


@dataclass(frozen=True)
class Weighing:
    """How passages of a tenant are indexed now."""

    revision: int
    """Which of the tenant's weighings this is; 0 is none, and what is written under it is indexed again."""
    average_length: float
    """Words in a passage, as their weights assume."""


def conversation(row: asyncpg.Record) -> Conversation:
    return Conversation(**{name: row[name] for name in Conversation.model_fields})


def candidate(row: asyncpg.Record, share: Mapping[int, tuple[int, float]]) -> Candidate:
    """`share`: for each term of the question, its word and that word's share of the question."""
    covered = dict(map(share.__getitem__, row["matched"]))
    fields = {name: value for name, value in row.items() if name != "matched"}
    return Candidate(**fields, coverage=sum(covered.values()))


def rarities(plan: Plan) -> SparseVector:
    """A question's side of the lexical leg."""
    return SparseVector({word.term - 1: word.weight for word in plan.words}, TERM_SPACE)


def weights(terms: Terms) -> SparseVector:
    # Terms count from 1, as a sparsevec is written; the driver's indices count from 0.
    pairs = zip(terms.terms, terms.weights, strict=True)
    return SparseVector({term - 1: weight for term, weight in pairs}, TERM_SPACE)
