"""Cursors: where a page ended, for whoever asks the same again. Pure; opaque to callers, not secret."""

import base64
import binascii
import json
from datetime import datetime
from hashlib import blake2b
from typing import Any

from mcp_rag.errors import InvalidCursor


def encode(asked: object, place: list[Any]) -> str:
    """A cursor for `place` in the answer to what was asked."""
    payload = json.dumps([_mark(asked), *place], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def decode(cursor: str, asked: object, *kinds: type) -> list[Any]:
    """The place in a cursor, whose parts are of these kinds.

    Raises:
        InvalidCursor: it was made for another question, or not by us.
    """
    try:
        payload = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark, *place = list(json.loads(payload))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise InvalidCursor from error
    right = len(place) == len(kinds) and all(type(p) is k for p, k in zip(place, kinds, strict=True))
    right = right and all(0 <= part < 2**63 for part in place if isinstance(part, int))
    if mark != _mark(asked) or not right:
        raise InvalidCursor
    return place


def moment(text: str) -> datetime:
    """A time that a cursor carries.

    Raises:
        InvalidCursor: it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidCursor from error


def _mark(asked: object) -> str:
    return blake2b(repr(asked).encode(errors="replace"), digest_size=6).hexdigest()
