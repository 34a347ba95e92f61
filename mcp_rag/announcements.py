"""What is said over the database of a change, and what is heard of it. Pure.

Whoever may connect to a database can listen to what is said over it. So a conversation has there a mark, by
which who knows its id and the secret knows it, and nobody learns an id from it.
"""

from collections.abc import Collection
from hashlib import sha256
from hmac import digest
from typing import NamedTuple

AT_ONCE = 400
"""Marks in one saying, of which Postgres takes 8,000 bytes."""
_LISTED, _SAID = "list", "text"


class Announcement(NamedTuple):
    """That something of a tenant's has changed, and may have to be embedded."""

    tenant_id: int
    listed: bool = False
    """There are conversations more, less, or under another title."""
    marks: frozenset[str] = frozenset()
    """Of the conversations that are not what they were."""


def mark(secret: bytes, tenant_id: int, conversation_id: str) -> str:
    return digest(secret, f"{tenant_id} {conversation_id}".encode(), sha256)[:8].hex()


def sayings(marks: Collection[str], *, listed: bool) -> list[str | None]:
    """What is to be said after the tenant's number: nothing, where nothing reads otherwise than before."""
    each = sorted(marks)
    kind = _LISTED if listed else _SAID
    return [" ".join([kind, *each[n : n + AT_ONCE]]) for n in range(0, len(each), AT_ONCE)] or [None]


def heard(said: str) -> Announcement | None:
    """None where it is not one, and so may mean anything: anybody may speak."""
    tenant, _, rest = said.partition(" ")
    if not (tenant.isascii() and tenant.isdigit() and len(tenant) < 19):
        return None
    kind, *marks = rest.split() or [_SAID]
    return Announcement(int(tenant), kind == _LISTED, frozenset(marks))
