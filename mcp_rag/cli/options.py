"""Options that several verbs share, described once."""

from datetime import UTC, datetime
from typing import Annotated

import typer


def moment(text: str) -> datetime:
    """A date or a time as ISO 8601 writes it."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not like 2026-03-14 or 2026-03-14T09:30+01:00.") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of text, also of an error.")
]
ConversationId = Annotated[str | None, typer.Option(help="Only in this conversation.", metavar="ID")]
Speaker = Annotated[str | None, typer.Option(help="Only what this person said, e.g. user.", metavar="NAME")]
Source = Annotated[str | None, typer.Option(help="Only from this source, e.g. claude.", metavar="NAME")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="Only conversations with this tag; repeat for several.")
]
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="WHEN", help="Only from then on: 2026-03-14, or with a time. UTC."),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="WHEN", help="Only before then, written the same way."),
]
Cursor = Annotated[str | None, typer.Option(help="Go on where the page before ended.", metavar="CURSOR")]
Words = Annotated[list[str], typer.Argument(metavar="WORD", show_default=False)]
