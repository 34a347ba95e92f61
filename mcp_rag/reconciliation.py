"""What is new in a conversation that is sent again. Pure.

A message is recognised by its caller's id, else by speaker, time and text; of messages that are equal in
all three, the n-th sent is the n-th stored. A document is sent whole each time: its sections are recognised
by their text, move to where they are now, and go when they are no longer there.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from hmac import digest as keyed_digest

from mcp_rag.models import Kind, NewMessage, Skipped, StoredIdentity


@dataclass(frozen=True)
class Incoming:
    """A message that can be stored; `identity` is which one it is, `digest` what it says."""

    index: int
    identity: bytes
    digest: bytes
    message: NewMessage


@dataclass(frozen=True)
class Changes:
    added: list[tuple[int, Incoming]]
    """With the position of each."""
    updated: list[tuple[StoredIdentity, Incoming]]
    unchanged: int
    removed: list[int]
    """Keys of sections that a document no longer has."""
    moved: dict[int, int]
    """Key to position, of sections that a document has elsewhere now."""

    @property
    def any(self) -> bool:
        return self.count > 0

    @property
    def count(self) -> int:
        """Messages that are not as they were, or not where."""
        return len(self.added) + len(self.updated) + len(self.removed) + len(self.moved)


def identify(messages: Sequence[tuple[int, NewMessage]]) -> tuple[list[Incoming], list[Skipped]]:
    """Give every message its identity. Of two with the same id, the later one counts."""
    incoming: dict[bytes, Incoming] = {}
    skipped = []
    occurrences: Counter[bytes] = Counter()
    for index, message in messages:
        content = _digest(
            message.speaker, message.sent_at.isoformat() if message.sent_at else None, message.text
        )
        if message.message_id is None:
            identity = _digest("content", content.hex(), occurrences[content])
            occurrences[content] += 1
        else:
            identity = _digest("id", message.message_id)
        if earlier := incoming.pop(identity, None):
            skipped.append(Skipped(index=earlier.index, reason="A later message has the same message_id."))
        incoming[identity] = Incoming(index, identity, content, message)
    return list(incoming.values()), skipped


def reconcile(stored: Sequence[StoredIdentity], incoming: Sequence[Incoming], kind: Kind) -> Changes:
    """Compare what is stored with what was sent; `stored` is in order of position."""
    return _document(stored, incoming) if kind == "document" else _chat(stored, incoming)


def _chat(stored: Sequence[StoredIdentity], incoming: Sequence[Incoming]) -> Changes:
    """Positions are addresses that others may have noted: they never change, and new ones follow the last."""
    known = {row.identity: row for row in stored}
    end = stored[-1].position + 1 if stored else 0
    new = [message for message in incoming if message.identity not in known]
    old = [(known[m.identity], m) for m in incoming if m.identity in known]
    updated = [(row, message) for row, message in old if row.digest != message.digest]
    return Changes(list(enumerate(new, end)), updated, len(old) - len(updated), [], {})


def _document(stored: Sequence[StoredIdentity], incoming: Sequence[Incoming]) -> Changes:
    known = {row.identity: row for row in stored}
    sent = {message.identity for message in incoming}
    added = [(position, m) for position, m in enumerate(incoming) if m.identity not in known]
    moved = {
        known[m.identity].message_key: position
        for position, m in enumerate(incoming)
        if m.identity in known and known[m.identity].position != position
    }
    removed = [row.message_key for row in stored if row.identity not in sent]
    return Changes(added, [], len(incoming) - len(added), removed, moved)


def tombstone(key: bytes, conversation_id: str, identities: Sequence[bytes] | None = None) -> list[bytes]:
    """What is left of a forgotten conversation, or of each of some messages in it.

    A keyed hash: without the key nobody can tell, or even ask, what was forgotten.
    """
    whole = keyed_digest(key, conversation_id.encode(), sha256)
    return [whole] if identities is None else [keyed_digest(key, whole + each, sha256) for each in identities]


def _digest(*parts: str | int | None) -> bytes:
    return blake2b(json.dumps(parts).encode(), digest_size=16).digest()
