"""The values in `password = ...`, `api_key: ...` and the like, in one line. Pure.

The names that keep secrets, and how a value is given to them, are detect-secrets' own. It reads files of
known kinds, in which a value without quotes goes to the end of its line; in a chat most of that is talk.
"""

import re
from collections.abc import Iterator

from detect_secrets.plugins import keyword

_ASSIGNMENTS = (
    keyword.CONFIG_DENYLIST_REGEX_TO_GROUP
    | keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
    | keyword.GOLANG_DENYLIST_REGEX_TO_GROUP
    | keyword.COMMON_C_DENYLIST_REGEX_TO_GROUP
)
"""Patterns, and which group of each is the value."""
# Finds next to nothing, and takes seconds for a long word.
del _ASSIGNMENTS[keyword.FOLLOWED_BY_QUOTES_AND_SEMICOLON_REGEX]

SHORTEST = 4
"""Characters of a value without quotes."""
SHORTEST_NUMBER = 6
"""The same where all are digits: fewer count something."""

_NAMED = re.compile("|".join(keyword.DENYLIST), re.IGNORECASE)
_NAMED_ELSEWHERE = re.compile(
    r"passwort|kennwort|passphrase|wachtwoord|mot de passe|senha|пароль|パスワード", re.IGNORECASE
)
"""Names of passwords that detect-secrets does not know."""
_MARKED_NAME = re.compile(r"(?<![:=])(?<![:=] )(\*\*|`)([\w .-]+)\1(?=\s?[:=])")
_SPACED_COLON = re.compile(r"(?<=\w)[ \u00a0\u202f]:(?!=)")
_LONG_WORD = re.compile(r"[A-Za-z0-9_]{64,}")
_UNBROKEN = re.compile(r"(?:(?![;&]\w[\w .-]*=)\S)+")
"""To the next white space, or to the next name of `Password=...;Database=...`."""
_CLOSING = ".,;:?)]}>\"'`。、）」』"
_REFERENCE = re.compile(r"\w+://|[^\W\d][\w.]*[(\[](?:.*[)\]]|\s*$)")
"""An address, or what code calls or looks up."""
_PROSE = re.compile(r"(?:[^\W\d]|[./-])+")
_WORD = re.compile(r"[A-Za-zÀ-ž]+(?:-[A-Za-zÀ-ž]+)*")
_PASSWORD = re.compile(r"(?:pass|pwd|contrase).*(?:\S=|:\s*)$", re.IGNORECASE)
_LAST = re.compile(r"[.!]?\s*$|[;&]|\s+\w+=")
_TYPES = frozenset(
    {"string", "bytes", "text", "char", "varchar", "none", "null", "true", "false", "undefined"}
)


def assigned_secrets(line: str) -> Iterator[tuple[int, int]]:
    """Each value as (start, stop)."""
    searched = _plain(line)
    if not _NAMED.search(searched):
        return
    for pattern, group in _ASSIGNMENTS.items():
        position = 0
        while match := pattern.search(searched, position):
            start, position = match.span(group)
            quoted = searched[start - 1] in "\"'"
            if not quoted:
                position = _stop(searched, start)
            name, value = searched[match.start() : start], line[start:position]
            if quoted or name.endswith("`") or _is_secret(name, value, searched[position:]):
                yield start, position


def _plain(line: str) -> str:
    """The line as the patterns know lines, each character in its place."""
    line = _NAMED_ELSEWHERE.sub(lambda name: "pwd".ljust(len(name[0]), "_"), line).replace("：", ":")
    # Between a name and its colon French has a space, which these patterns do not take.
    line = _SPACED_COLON.sub(": ", line)
    # In Markdown, **Password:** and `password`: are names like any other.
    line = _MARKED_NAME.sub(lambda name: f"{' ' * len(name[1])}{name[2]}{']' * len(name[1])}", line)
    # No name is so long, and the patterns take their time for such a word.
    return _LONG_WORD.sub(lambda word: "x" * len(word[0]), line.replace("**", "  "))


def _stop(line: str, start: int) -> int:
    """Where a value ends that no quotation mark ends."""
    if line[start - 1] == "`":
        return line.index("`", start)
    unbroken = _UNBROKEN.match(line, start)
    return start + len(unbroken.group().rstrip(_CLOSING)) if unbroken else start + 1


def _is_secret(name: str, value: str, rest: str) -> bool:
    """Whether a value without quotes is one, and not talk or code."""
    if len(value) < SHORTEST or _REFERENCE.match(value + rest):
        return False
    if value.isdecimal():
        return len(value) >= SHORTEST_NUMBER
    if not _PROSE.fullmatch(value):
        return any(character.isalpha() for character in value)
    return bool(
        # A plain word is a password where nothing but it is said.
        _PASSWORD.search(name)
        and _WORD.fullmatch(value)
        and _LAST.match(rest)
        and value.lower() not in _TYPES
    )
