"""What one `mcp-rag ingest` has done, and how it is told."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from mcp_rag.cli.output import Shown, block, visible
from mcp_rag.models import Frozen, Receipt

MOST_TOLD = 20
"""Problems of each sort that are told to people; --json has all."""


class Refused(Frozen):
    """A conversation that was read but could not be stored."""

    conversation_id: str
    reason: str


class Intake(Frozen):
    conversations: int
    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: int
    embedded: int
    pending: int = Field(description="Passages of it that are found by words, but not by meaning yet.")
    receipts: tuple[Receipt, ...]
    unread: tuple[str, ...] = Field(description="What could not be read, where, and why.")
    passed_over: tuple[str, ...] = Field(description="Files that are no conversations, and why.")
    refused: tuple[Refused, ...]
    error: dict[str, Any] | None = Field(None, description="What ended it before its time.")

    @classmethod
    def of(
        cls,
        receipts: Sequence[Receipt],
        unread: Sequence[str],
        refused: Sequence[Refused],
        *,
        passed_over: Sequence[str],
        embedded: int,
        error: dict[str, Any] | None,
    ) -> "Intake":
        def total(name: str) -> int:
            return sum(getattr(receipt, name) for receipt in receipts)

        return cls(
            conversations=len({receipt.conversation_id for receipt in receipts if receipt.uri}),
            added=total("added"),
            updated=total("updated"),
            unchanged=total("unchanged"),
            removed=total("removed"),
            skipped=sum(len(receipt.skipped) for receipt in receipts),
            embedded=embedded,
            pending=max(0, total("pending") - embedded),
            receipts=tuple(receipts),
            unread=tuple(unread),
            passed_over=tuple(passed_over),
            refused=tuple(refused),
            error=error,
        )

    @property
    def is_whole(self) -> bool:
        """Everything was read and stored."""
        return not (self.unread or self.refused or self.error)


def told(intake: Intake) -> Iterator[Shown]:
    """One receipt for all, and a word on each thing that was left out."""
    others = {name: getattr(intake, name) for name in ("updated", "unchanged", "removed", "skipped")}
    counts = [
        f"{_counted(intake.added, 'message')} added",
        *(f"{count:,} {name}" for name, count in others.items() if count),
    ]
    yield block(
        (f"{_counted(intake.conversations, 'conversation')} stored: ", "bold"), f"{', '.join(counts)}."
    )
    if intake.embedded:
        yield block(f"{_counted(intake.embedded, 'passage')} embedded.")
    if intake.pending:
        yield block(
            f"{_counted(intake.pending, 'passage')} found by words already, and by meaning after "
            "the next `mcp-rag ingest` or in a running server."
        )
    yield from _left_out("Skipped", [_skipped(receipt) for receipt in intake.receipts if receipt.skipped])
    yield from _left_out("Not read", intake.unread)
    yield from _left_out("Passed over", intake.passed_over)
    yield from _left_out("Not stored", [f"{each.conversation_id}: {each.reason}" for each in intake.refused])


def _left_out(what: str, reasons: Sequence[str]) -> Iterator[Shown]:
    for reason in reasons[:MOST_TOLD]:
        yield block((f"{what}: ", "yellow"), visible(reason))
    if len(reasons) > MOST_TOLD:
        yield block((f"{what}: ", "yellow"), f"{len(reasons) - MOST_TOLD:,} more; --json names them all.")


def _skipped(receipt: Receipt) -> str:
    first = receipt.skipped[0]
    what = f"message {first.index}" if first.index is not None else "all of it"
    more = f" ({len(receipt.skipped) - 1} more in it)" if len(receipt.skipped) > 1 else ""
    return f"{receipt.conversation_id}: {what} {first.reason}{more}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
