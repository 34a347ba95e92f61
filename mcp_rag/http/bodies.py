"""What callers send: the same as the tools take."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from mcp_rag.content import LONGEST_ID, LONGEST_QUERY
from mcp_rag.models import Filters, Frozen, Kind, NewMessage, Turn

ASKED: JsonDict = {"minLength": 1, "maxLength": LONGEST_QUERY}


class NewContent(Frozen):
    """A conversation or a document, or more of one that is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"conversation_id": "team/opening", "content": "We moved the opening to 14 March."},
                {
                    "conversation_id": "team/opening",
                    "messages": [
                        {
                            "text": "The permit for the terrace came today.",
                            "speaker": "Ana",
                            "sent_at": "2026-03-02T09:30:00Z",
                        }
                    ],
                    "title": "The opening",
                    "tags": ["team"],
                },
            ],
            "oneOf": [
                {"required": ["content"], "properties": {"content": {"type": "string"}}},
                {"required": ["messages"], "properties": {"messages": {"type": "array"}}},
            ],
        }
    )

    conversation_id: str = Field(
        description="Any stable name; the same name adds to it.",
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_ID},
    )
    content: str | None = Field(None, description="One text, instead of messages.")
    messages: tuple[NewMessage, ...] | None = Field(None, description="Messages, oldest first.")
    title: str | None = None
    source: str | None = Field(None, description="Where it is from, e.g. 'claude'.")
    tags: tuple[str, ...] | None = None
    kind: Kind | None = Field(None, description="A 'document' is replaced when sent again; a 'chat' grows.")
    restore: bool = Field(False, description="Store it even if it was forgotten.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "NewContent":
        if (self.content is None) == (self.messages is None):
            raise ValueError("Give either content or messages")
        return self

    @property
    def sent(self) -> Sequence[NewMessage]:
        return [NewMessage(text=self.content)] if self.content is not None else self.messages or ()


class Query(Filters):
    """What to look for, and where."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "when do we open", "explain": True}]})

    query: str = Field(description="What to look for, in plain words.", json_schema_extra=ASKED)
    limit: Annotated[int, Field(ge=1, le=50, description="Hits on a page.")] = 8
    cursor: str | None = Field(None, description="next_cursor of the page before.")
    whole: bool = Field(False, description="Whole passages instead of the part that matches.")
    context: Annotated[int, Field(ge=0, le=3, description="Messages around a hit.")] = 1
    accurate: bool = Field(False, description="Better order, 0.2 s slower.")
    explain: bool = Field(False, description="Why each hit ranked.")


class Question(Filters):
    """What to answer, and from what."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": "When do we open?"}]})

    question: str = Field(description="In plain words.", json_schema_extra=ASKED)
    history: tuple[Turn, ...] = Field((), description="Earlier turns, if the question leans on them.")


class Listing(Frozen):
    """Which conversations, and how many on a page."""

    title: str | None = Field(None, description="Only with this in the title or id.")
    source: str | None = None
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: str | None = Field(None, description="next_cursor of the page before.")

    @property
    def filters(self) -> Filters:
        return Filters(source=self.source, tags=self.tags, since=self.since, until=self.until)


class Stretch(Frozen):
    """Which messages of a conversation."""

    first: Annotated[int, Field(ge=0, lt=10**9, description="The first position.")] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


def filters(asked: Query | Question) -> Filters:
    """The part of a body that says where to look."""
    return Filters(**{name: getattr(asked, name) for name in Filters.model_fields})
