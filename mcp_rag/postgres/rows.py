"""Rows of the database as the service handles them, and back."""

from dataclasses import dataclass

import asyncpg
from pgvector import SparseVector

from mcp_rag.lexicon import TERM_SPACE, Terms
from mcp_rag.models import Conversation, Kind


@dataclass(frozen=True)
class OpenConversation:
    key: int
    kind: Kind
    title: str | None
    created: bool
    """There was none before."""
    retitled: bool
    """It has messages that were indexed under another title."""


@dataclass(frozen=True)
class ForgetScope:
    conversations: dict[int, str]
    """Key to id."""
    message_keys: list[int]
    messages: list[tuple[int, bytes]]
    """Conversation key and identity of each message."""


def conversation(row: asyncpg.Record) -> Conversation:
    return Conversation(**{name: row[name] for name in Conversation.model_fields})


def weights(terms: Terms) -> SparseVector:
    # Terms count from 1, as a sparsevec is written; the driver's indices count from 0.
    pairs = zip(terms.terms, terms.weights, strict=True)
    return SparseVector({term - 1: weight for term, weight in pairs}, TERM_SPACE)
