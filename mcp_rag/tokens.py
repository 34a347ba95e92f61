"""API tokens: made, recognised, and taken apart. Pure.

`mcprag_`, ten characters that name the token, forty that only its holder knows, and six that let a scanner
tell it from chance: the CRC-32 of all before them. All is base 62, so that a double click takes it whole.
"""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from zlib import crc32

PREFIX = "mcprag_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_NAME, _SECRET, _CHECK = 10, 40, 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_NAME + _SECRET + _CHECK}}}")


@dataclass(frozen=True)
class Token:
    """A token whose form is right; whether there is such a one, the store says."""

    text: str

    @property
    def public_id(self) -> str:
        """The part that names it, and may be shown."""
        return self.text[len(PREFIX) :][:_NAME]

    @property
    def digest(self) -> bytes:
        """What is stored in its place. Its 238 random bits need no slow hash."""
        return hashlib.sha256(self.text.encode()).digest()

    def is_of(self, digest: bytes) -> bool:
        """In a time that does not tell how much of it is right."""
        return hmac.compare_digest(self.digest, digest)


def mint() -> Token:
    """A new one, from the system's source of chance."""
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_NAME + _SECRET))
    return Token(body + _check(body))


def parse(text: str) -> Token | None:
    """None where it cannot be one of ours, whatever the store holds."""
    if not _FORM.fullmatch(text) or _check(text[:-_CHECK]) != text[-_CHECK:]:
        return None
    return Token(text)


def _check(body: str) -> str:
    number, digits = crc32(body.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
