"""What may be stored, and what is wrong with what may not. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from mcp_rag.errors import InvalidContent, InvalidInput
from mcp_rag.models import SCHEME, Filters, NewMessage, Skipped

LONGEST_ID = 512
LONGEST_NAME = 1_000
LONGEST_MESSAGE = 1_000_000
"""Characters. A document may be longer: it is stored as sections."""
LONGEST_CALL = 32_000_000
"""Characters of all the messages of one ingest."""
LONGEST_QUERY = 10_000
OUT_OF_REACH = "is not in the years 2 to 9998"

_SURROGATE = re.compile("[\ud800-\udfff]")


def conversation_id(text: str) -> str:
    """An id that can stand in an address.

    Raises:
        InvalidInput: it is empty, too long, or has characters that cannot be seen or stored.
    """
    if not text.strip():
        raise InvalidInput("conversation_id is empty.", remedy="Name the conversation with any stable id.")
    if text.startswith(SCHEME):
        raise InvalidInput(
            f"conversation_id is an address, {text[:80]!r}.", remedy="Give the id that is in it."
        )
    if len(text) > LONGEST_ID:
        raise InvalidInput(f"conversation_id is longer than {LONGEST_ID} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise InvalidInput("conversation_id has control characters or surrogates in it.")
    return text


def name(text: str | None, field: str) -> str | None:
    """A title, speaker, source or tag: storable, not too long; blank is None.

    Raises:
        InvalidInput: it cannot be stored.
    """
    if text is None or not text.strip():
        return None
    if problem := _unstorable(text):
        raise InvalidInput(f"{field} {problem}.")
    if len(text) > LONGEST_NAME:
        raise InvalidInput(f"{field} is longer than {LONGEST_NAME} characters.")
    return text


def tags(each: Sequence[str] | None) -> list[str] | None:
    """Tags that can be stored, without the blank ones; None says nothing about them.

    Raises:
        InvalidInput: one cannot be stored.
    """
    return None if each is None else [tag for text in each if (tag := name(text, "A tag"))]


def query(text: str) -> str:
    """A question that can be searched for.

    Raises:
        InvalidInput: it is empty or too long.
    """
    text = _SURROGATE.sub(" ", text).replace("\0", " ").strip()
    if not text:
        raise InvalidInput("The query is empty.", remedy="Say in a few words what to look for.")
    if len(text) > LONGEST_QUERY:
        raise InvalidInput(f"The query is longer than {LONGEST_QUERY:,} characters.")
    return text


def moment(when: datetime | None) -> datetime | None:
    """The same moment in UTC, which is meant when no zone was given.

    Raises:
        InvalidInput: no clock of ours reaches it.
    """
    if when is None:
        return None
    if not _reached(when):
        raise InvalidInput(f"The time {when.isoformat()} {OUT_OF_REACH}.")
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def filters(given: Filters) -> Filters:
    """Filters that can be compared with what is stored; a blank one is none.

    Raises:
        InvalidInput: one of them is nothing that could be stored.
    """
    return Filters(
        conversation_id=name(given.conversation_id, "conversation_id"),
        speaker=name(given.speaker, "speaker"),
        source=name(given.source, "source"),
        tags=tuple(tag for each in given.tags if (tag := name(each, "A tag"))),
        since=moment(given.since),
        until=moment(given.until),
    )


def sift(
    messages: Sequence[NewMessage], *, longest: int
) -> tuple[list[tuple[int, NewMessage]], list[Skipped]]:
    """The messages that can be stored, each with its index, and why the others cannot.

    Raises:
        InvalidInput: there are none, or all together are too long for one call.
        InvalidContent: none of them can be stored.
    """
    if not messages:
        raise InvalidInput("There is nothing to store.", remedy="Send `content` or at least one message.")
    if sum(len(message.text) for message in messages) > LONGEST_CALL:
        raise InvalidInput(
            f"The content is longer than {LONGEST_CALL:,} characters.",
            remedy="Send it in parts under the same conversation_id, or use `mcp-rag ingest FILE`.",
        )
    good, skipped = [], []
    for index, message in enumerate(messages):
        if problem := _problem(message, longest):
            skipped.append(Skipped(index=index, reason=problem))
        else:
            good.append((index, message.model_copy(update={"sent_at": moment(message.sent_at)})))
    if not good:
        raise InvalidContent(f"Nothing was stored: message {skipped[0].index} {skipped[0].reason}.")
    return good, skipped


def _problem(message: NewMessage, longest: int) -> str | None:
    if not message.text.strip():
        return "is empty"
    if message.sent_at is not None and not _reached(message.sent_at):
        return f"has a sent_at that {OUT_OF_REACH}"
    if len(message.text) > longest:
        return f"is longer than {longest:,} characters; send it with kind='document'"
    return next(
        (
            problem
            for text in (message.text, message.speaker, message.message_id)
            if (problem := _unstorable(text))
        ),
        None,
    )


def _reached(when: datetime) -> bool:
    """Whether it has a place in every time zone's calendar."""
    return 1 < when.year < 9999


def _unstorable(text: str | None) -> str | None:
    if text is None:
        return None
    if (at := text.find("\0")) >= 0:
        return f"has a NUL character (U+0000) at offset {at}, which is not text"
    if surrogate := _SURROGATE.search(text):
        return f"has a lone surrogate (half a character) at offset {surrogate.start()}"
    return None
