"""What the database keeps beside the content: what changed, by whom, tokens used, calls done once."""

from collections.abc import Sequence
from datetime import date

from mcp_rag.identity import Caller
from mcp_rag.models import Changed
from mcp_rag.postgres.statements import Statements


class Bookkeeping(Statements):
    """The statements on changes, on tokens and on calls that are done once."""

    async def record(self, caller: Caller, action: str, changed: Sequence[Changed]) -> None:
        """Write into the audit log what a caller does to conversations."""
        fields = [(each.conversation_key, each.digest, each.messages) for each in changed]
        columns = map(list, zip(*fields, strict=True))
        await self._execute("insert_audit", caller.name, caller.address, action, *columns)

    async def note_changes(self, conversations: Sequence[int]) -> None:
        """Answers from these conversations, given by their keys, may be others from now on."""
        await self._execute("note_changes", list(conversations))

    async def state(self, conversation_id: str | None) -> str:
        """A text that is another after every change of the conversation, or, without one, of the store."""
        row = await self._row("state", conversation_id)
        assert row is not None
        return str(row[0])

    async def fold_changes(self) -> None:
        await self._execute("fold_changes")

    async def claim_key(self, key: str, digest: bytes) -> bool:
        """Whether this call is the first with the key; another with it waits for the end of this one."""
        return await self._row("claim_key", key, digest) is not None

    async def kept_receipt(self, key: str) -> tuple[bytes, str]:
        """The digest of the call that had a key first, and the receipt that it was given."""
        row = await self._row("kept_receipt", key)
        assert row is not None
        return row["digest"], row["receipt"]

    async def keep_receipt(self, key: str, receipt: str, conversation: int) -> None:
        await self._execute("keep_receipt", key, receipt, conversation)
        await self._execute("drop_old_keys")

    async def tokens_used(self, day: date) -> int:
        row = await self._row("tokens_used", day)
        return int(row["tokens"]) if row else 0

    async def use_tokens(self, day: date, tokens: int) -> None:
        await self._execute("use_tokens", day, tokens)
