"""What the database keeps around passages: segments, names, languages, neighbours."""

from collections.abc import Collection, Mapping, Sequence

from mcp_rag.models import Filters, Message, StoredMessage
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.rows import OpenConversation, weights
from mcp_rag.postgres.statements import Statements
from mcp_rag.segments import Segment


class Surroundings(Statements):
    """The statements on what stands around passages."""

    async def stored_messages(self, conversation: int, *, first: int = 0) -> list[StoredMessage]:
        return [StoredMessage(*row) for row in await self._fetch("stored_messages", conversation, first)]

    async def delete_segments(self, conversation: int, *, first: int) -> int:
        """Remove those that message `first` and later ones are in or follow; gives where they began."""
        rows = await self._fetch("delete_segments", conversation, first)
        return min((row["first"] for row in rows), default=0)

    async def insert_segments(self, conversation: int, segments: Sequence[Segment]) -> None:
        await self._connection.executemany(
            sql("insert_segment"),
            [(self._tenant_id, conversation, s.first, s.last, weights(s.terms)) for s in segments],
        )

    async def forget_names(self, conversation: int) -> None:
        await self._execute("forget_names", conversation)

    async def insert_names(self, conversation: int, names: Mapping[str, Collection[str]]) -> None:
        pairs = [(name, speaker) for name, speakers in names.items() for speaker in speakers]
        await self._execute(
            "insert_names", conversation, [name for name, _ in pairs], [speaker for _, speaker in pairs]
        )

    async def set_surroundings(self, conversation: int, *, version: int, language: str | None) -> None:
        await self._execute("set_surroundings", conversation, version, language)

    async def conversations_without_surroundings(self, version: int, *, limit: int) -> list[OpenConversation]:
        """Work to be done, locked until the transaction ends."""
        rows = await self._fetch("conversations_without_surroundings", version, limit)
        return [
            OpenConversation(
                row["conversation_key"], row["kind"], row["title"], row["language"], False, False
            )
            for row in rows
        ]

    async def outdate_passages(self, conversation: int) -> None:
        """Have them indexed again, in the language that their conversation has by now."""
        await self._execute("outdate_passages", conversation)

    async def delete_replies(self, conversation: int, positions: Collection[int]) -> None:
        """Have the passages that follow these messages embedded again, with what is before them now."""
        rows = await self._fetch("wait_again", conversation, list(positions)) if positions else []
        if keys := [row["passage_key"] for row in rows]:
            await self._execute("delete_passage_vectors", keys)
            await self._execute("forget_failures", keys)

    async def people_named(self, names: Collection[str], filters: Filters) -> dict[str, list[str]]:
        """The speakers, in small letters, who answer to each of the names."""
        rows = await self._fetch(
            "people_named", list(names), filters.conversation_id, filters.source, list(filters.tags) or None
        )
        return {row["name"]: row["speakers"] for row in rows}

    async def languages(self) -> list[str]:
        return [row["language"] for row in await self._fetch("languages")]

    async def neighbours(
        self, places: Sequence[tuple[int, int]], *, around: int
    ) -> dict[tuple[int, int], list[Message]]:
        """The messages just before and after some, each given as (conversation key, position)."""
        found: dict[tuple[int, int], list[Message]] = {place: [] for place in places}
        rows = await self._fetch(
            "neighbours", [key for key, _ in places], [position for _, position in places], around
        )
        for key, of, *message in rows:
            found[key, of].append(Message(**dict(zip(Message.model_fields, message, strict=True))))
        return found
