"""Class Store: what the service asks of the database, one method per statement."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector

from mcp_rag import announcements, candidates, segments
from mcp_rag.announcements import Announcement
from mcp_rag.indexing import IndexedPassage, Outdated, Renewed
from mcp_rag.lexicon import Asked
from mcp_rag.models import (
    Address,
    Candidate,
    Completed,
    Conversation,
    Embedded,
    EmbeddingModel,
    Failure,
    Filters,
    Kind,
    Message,
    NewMessage,
    SetAside,
    StoredIdentity,
    Waiting,
)
from mcp_rag.postgres.bookkeeping import Bookkeeping
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.listening import Listening
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.rows import (
    ForgetScope,
    OpenConversation,
    Weighing,
    candidate,
    conversation,
    rarities,
    weights,
)
from mcp_rag.postgres.surroundings import Surroundings

LEG_DEPTH = 100
"""Passages that each leg contributes to the ranking."""
POSTINGS = 3_000
"""Passages that a question's words may select to be scored. 300 questions to 100,000 passages had the same
first ten as with all of them scored, and of the first hundred 99.97 %; with 2,000 99.5 %."""
EXACT_SCAN = 20_000
"""Passages up to which a scope is scanned exactly; beyond it the vector index answers."""
MOST_TRIES = 3
"""Times that a passage may fail before it is set aside."""
BETWEEN_TRIES = timedelta(seconds=30)
"""So long a passage that failed is left alone."""
SHOWN = 20
"""Passages set aside that are told of one by one."""


class Store:
    """Postgres, seen by one tenant at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._listening = Listening(database)

    @asynccontextmanager
    async def transaction(self, tenant_id: int, *, readonly: bool = False) -> AsyncIterator["Transaction"]:
        async with self.database.transaction(tenant_id, readonly=readonly) as connection:
            tx = Transaction(connection, tenant_id)
            yield tx
        for each in tx.afterwards:
            each()

    async def tenant_ids(self) -> list[int]:
        async with self.database.transaction(0, readonly=True) as connection:
            return [row[0] for row in await connection.fetch(sql("tenant_ids"))]

    async def listen(self, hear: Callable[[Announcement | None], None]) -> None:
        """Call `hear` with what changes, whichever process has changed it; with None where anything may have.

        Never returns.
        """
        await self._listening.listen(hear)


class Transaction(Surroundings, Bookkeeping):
    """The statements, for one tenant, committed together when the block that opened it ends."""

    # Writing conversations

    async def open_conversation(
        self,
        conversation_id: str,
        *,
        title: str | None,
        source: str | None,
        kind: Kind | None,
        tags: Sequence[str] | None,
    ) -> OpenConversation:
        """Find or make a conversation, lock it until the end, and write what is given into its row."""
        stored = await self._row("open_conversation", conversation_id)
        assert stored is not None
        key = stored["conversation_key"]
        row = await self._row("describe_conversation", key, title, source, kind, tags)
        assert row is not None
        retitled = stored["message_count"] > 0 and stored["title"] != row["title"]
        return OpenConversation(
            key=key,
            kind=row["kind"],
            title=row["title"],
            language=row["language"],
            created=stored["created"],
            retitled=retitled,
            titled=stored["title"] != row["title"],
            described=row["changed"],
        )

    async def identities(self, conversation: int) -> list[StoredIdentity]:
        return [StoredIdentity(*row) for row in await self._fetch("message_identities", conversation)]

    async def insert_messages(
        self, conversation: int, messages: Sequence[tuple[int, bytes, bytes, NewMessage]]
    ) -> dict[int, int]:
        """Store (position, identity, digest, message) rows; gives the key of each by its position."""
        if not messages:
            return {}
        fields = [(pos, ident, digest, m.speaker, m.sent_at, m.text) for pos, ident, digest, m in messages]
        rows = await self._fetch("insert_messages", conversation, *map(list, zip(*fields, strict=True)))
        return {row["position"]: row["message_key"] for row in rows}

    async def update_message(self, key: int, digest: bytes, message: NewMessage) -> None:
        await self._execute("update_message", key, digest, message.speaker, message.sent_at, message.text)

    async def move_messages(self, positions: dict[int, int]) -> None:
        await self._execute("move_messages", list(positions), list(positions.values()))

    async def delete_messages(self, keys: Sequence[int]) -> None:
        await self._execute("delete_messages", list(keys))

    async def insert_passages(
        self, conversation: int, passages: Sequence[IndexedPassage], weighing: int
    ) -> None:
        rows = [
            (
                self._tenant_id, conversation, p.message_key, p.passage.start, p.passage.stop, p.context,
                p.speaker, p.sent_at, p.terms.entries, weights(p.terms), p.terms.length, weighing,
            )
            for p in passages
        ]  # fmt: skip
        await self._connection.executemany(sql("insert_passage"), rows)

    async def delete_passages(self, messages: Sequence[int]) -> None:
        await self._execute("delete_passages", list(messages))

    async def finish_conversation(self, conversation: int, *, changed: bool) -> int:
        """Write into its row what its messages are now; gives their number."""
        row = await self._row("finish_conversation", conversation, changed)
        return int(row["message_count"]) if row else 0

    # Term statistics

    async def corpus(self) -> tuple[int, int]:
        """How many passages there are, and their words in all."""
        row = await self._row("corpus")
        assert row is not None
        return row["passages"], row["words"]

    async def weighing(self, version: int) -> Weighing | None:
        """How passages are indexed now, unless by another version of `lexicon.INDEX_VERSION`."""
        row = await self._row("weighing")
        if row is None or row["index_version"] != version:
            return None
        return Weighing(row["revision"], row["average_length"])

    async def renew_weighing(self, version: int, average_length: float) -> Weighing | None:
        """From now on index passages like this; None where a newer version has said otherwise."""
        row = await self._row("renew_weighing", version, average_length)
        return Weighing(row["revision"], average_length) if row else None

    async def claim_outdated(self, revision: int, *, limit: int) -> list[Outdated]:
        """Passages that were indexed under an earlier weighing, locked until the transaction ends."""
        return [Outdated(*row) for row in await self._fetch("outdated_passages", revision, limit)]

    async def renew_passages(self, passages: Sequence[Renewed], weighing: int) -> None:
        rows = [
            (
                self._tenant_id, p.passage_key, p.context, p.terms.entries, weights(p.terms), p.terms.length,
                weighing,
            )
            for p in passages
        ]  # fmt: skip
        await self._connection.executemany(sql("renew_passage"), rows)

    async def count_terms(self, messages: Sequence[int]) -> dict[int, int]:
        rows = await self._fetch("count_terms", list(messages))
        return {row["term"]: int(row["passages"]) for row in rows}

    async def add_term_statistics(self, change: dict[int, int]) -> None:
        change = {term: passages for term, passages in sorted(change.items()) if passages}
        await self._execute("add_term_statistics", list(change), list(change.values()))

    async def tends_statistics(self) -> bool:
        """Whether this is, until it ends, the one transaction that folds statistics and renews weighings."""
        return bool(await self._connection.fetchval(sql("try_fold"), self._tenant_id))

    async def fold_term_statistics(self) -> None:
        await self._execute("fold_term_statistics")

    # Reading

    async def search(
        self,
        terms: Mapping[int, Asked],
        vector: NDArray[np.float32] | None,
        filters: Filters,
        *,
        model_key: int | None,
        dimensions: int,
        also: Sequence[int] = (),
    ) -> list[Candidate]:
        """What either leg finds, with both scores; `also` these passages, whatever the legs find."""
        asked = await self.plan(terms)
        rows = await self._connection.fetch(
            sql("search", dimensions=dimensions),
            self._tenant_id, rarities(asked), [word.term for word in asked.words],
            None if vector is None else HalfVector(vector), model_key,
            filters.conversation_id, filters.source, list(filters.tags) or None,
            filters.speaker.casefold() if filters.speaker else None, filters.since, filters.until,
            LEG_DEPTH, asked.any_of, asked.all_of, POSTINGS, EXACT_SCAN, list(also),
        )  # fmt: skip
        share = candidates.shares(asked)
        return [candidate(row, share) for row in rows]

    async def message_passages(
        self, conversation_id: str, position: int, model_key: int | None
    ) -> tuple[list[int], bool]:
        """A message's passages, and whether each has a vector of the model."""
        rows = await self._fetch("message_passages", conversation_id, position, model_key)
        return [row["passage_key"] for row in rows], all(row["embedded"] for row in rows)

    async def plan(self, terms: Mapping[int, Asked]) -> candidates.Plan:
        """What a question's terms weigh, and which passages they select."""
        rows = await self._fetch("term_statistics", candidates.entries(terms))
        return candidates.plan(terms, {row["term"]: row["passages"] for row in rows}, budget=POSTINGS)

    async def find_conversation(self, conversation_id: str) -> Conversation | None:
        row = await self._row("find_conversation", conversation_id)
        return conversation(row) if row else None

    async def similar(self, kind: Completed, text: str, *, limit: int) -> list[str]:
        """What is stored of a kind and begins like this; of conversations also those whose title has it."""
        rows = await self._fetch(f"similar_{kind}", text, limit)
        return [row["value"] for row in rows]

    async def messages(
        self, conversation_id: str, *, first: int = 0, last: int | None = None, limit: int = 1000
    ) -> list[Message]:
        rows = await self._fetch("read_messages", conversation_id, first, last, limit)
        return [Message(**row) for row in rows]

    async def conversations(
        self, filters: Filters, *, title: str | None, limit: int, after: tuple[datetime, int] | None
    ) -> list[tuple[Conversation, tuple[datetime, int]]]:
        """A page of conversations, each with where the next page would begin after it."""
        rows = await self._fetch(
            "list_conversations",
            title, filters.source, list(filters.tags) or None, filters.since, filters.until,
            limit, *(after or (None, None)),
        )  # fmt: skip
        return [(conversation(row), (row["recent_at"], row["conversation_key"])) for row in rows]

    async def counts(self, model_key: int | None) -> dict[str, int]:
        row = await self._row("count_store", model_key, segments.RECIPE, MOST_TRIES)
        assert row is not None
        return {name: int(count) for name, count in row.items()}

    async def count_conversation(self, conversation_id: str, model_key: int | None) -> dict[str, int] | None:
        """Its passages, those with a vector of the model, and those set aside; None where there is none."""
        row = await self._row("count_conversation", conversation_id, model_key, segments.RECIPE, MOST_TRIES)
        return dict(row) if row else None

    # Forgetting

    async def forget_scope(
        self, conversation_ids: Sequence[str] | None, source: str | None, position: int | None
    ) -> ForgetScope:
        """What is meant, locked until the transaction ends."""
        ids = None if conversation_ids is None else list(conversation_ids)
        rows = await self._fetch("forget_conversations", ids, source)
        names = {row["conversation_key"]: row["conversation_id"] for row in rows}
        held = await self._fetch("forget_messages", list(names), position)
        return ForgetScope(
            conversations=names if held or position is None else {},
            message_keys=[row["message_key"] for row in held],
            messages=[(row["conversation_key"], row["identity"]) for row in held],
            positions=[row["position"] for row in held],
        )

    async def count_derived(self, messages: Sequence[int]) -> tuple[int, int]:
        row = await self._row("count_derived", list(messages))
        assert row is not None
        return int(row["passages"]), int(row["vectors"])

    async def delete_conversations(self, keys: Sequence[int]) -> None:
        await self._execute("delete_conversations", list(keys))

    async def tombstone_key(self) -> bytes:
        row = await self._row("tombstone_key")
        assert row is not None
        return bytes(row["tombstone_key"])

    async def tombstones(self, digests: Sequence[bytes]) -> dict[bytes, datetime]:
        rows = await self._fetch("tombstones", list(digests))
        return {row["digest"]: row["forgotten_at"] for row in rows}

    async def bury(self, digests: Sequence[bytes]) -> None:
        await self._execute("bury", list(digests))

    async def unbury(self, digests: Sequence[bytes]) -> None:
        await self._execute("unbury", list(digests))

    # Vectors

    async def active_model(self) -> tuple[int, EmbeddingModel] | None:
        row = await self._connection.fetchrow(sql("active_model"))
        if row is None:
            return None
        model_key, name, dimensions, fingerprint = row
        return model_key, EmbeddingModel(name=name, dimensions=dimensions, fingerprint=fingerprint)

    async def lock_models(self) -> None:
        """Until the transaction ends, nobody else decides which model is the store's."""
        await self._connection.execute(sql("lock_models"))

    async def register_model(self, model: EmbeddingModel) -> int:
        key: int = await self._connection.fetchval(
            sql("register_model"), model.name, model.dimensions, model.fingerprint
        )
        return key

    async def activate_model(self, model_key: int) -> None:
        await self._connection.execute(sql("activate_model"), model_key)

    async def claim_waiting(
        self, model_key: int, *, after: int, limit: int
    ) -> tuple[list[Waiting], int | None]:
        """Passages without a vector, locked until the transaction ends, and the last key that was looked at.

        The key is None when there is nothing left to claim.
        """
        rows = await self._fetch(
            "passages_without_vector",
            model_key,
            after,
            limit,
            segments.RECIPE,
            segments.BEFORE,
            segments.PAUSE,
            MOST_TRIES,
            BETWEEN_TRIES,
        )
        if not rows:
            return [], None
        keys = [row["passage_key"] for row in rows]
        done = {row["passage_key"] for row in await self._embedded(model_key, keys)}
        waiting = [Waiting(*row) for row in rows if row["passage_key"] not in done]
        return waiting, keys[-1]

    async def _embedded(self, model_key: int, passages: Sequence[int]) -> list[asyncpg.Record]:
        return await self._fetch("embedded_already", model_key, list(passages), segments.RECIPE)

    async def insert_vectors(self, model_key: int, embedded: Sequence[Embedded]) -> None:
        rows = [
            (
                self._tenant_id, passage.passage_key, model_key, HalfVector(passage.vector),
                None if passage.reply is None else HalfVector(passage.reply), segments.RECIPE,
            )
            for passage in embedded
        ]  # fmt: skip
        keys = [passage.passage_key for passage in embedded]
        await self._connection.executemany(sql("insert_vector"), rows)
        await self._execute("forget_failures", keys)
        await self._execute("note_vectors", keys)

    async def note_failures(self, model_key: int, failures: Sequence[Failure]) -> None:
        """These passages could not be embedded, through no fault of the model."""
        rows = [(self._tenant_id, failure.passage_key, model_key, failure.error) for failure in failures]
        await self._connection.executemany(sql("note_failure"), rows)

    async def set_aside(self, model_key: int | None) -> list[SetAside]:
        """The passages that the model could not embed, the latest first, some of them."""
        rows = await self._fetch("set_aside", model_key, MOST_TRIES, SHOWN)
        return [
            SetAside(uri=Address(conversation_id=name, position=position).uri, error=error, failed_at=when)
            for name, position, error, when in rows
        ]

    async def try_again(self) -> int:
        """Forget what failed, so that it is tried again; gives how many passages that were."""
        return len(await self._fetch("forget_failures", None))

    async def announce(self, marks: Collection[str] = (), *, listed: bool = False) -> None:
        """Tell whoever listens, once this is committed, that there may be work, and what has changed.

        `marks` are of the conversations that changed; `listed`, if their list did.
        """
        await self._execute("announce", announcements.sayings(marks, listed=listed))

    async def delete_other_vectors(self, model_key: int) -> None:
        await self._execute("delete_vectors", model_key)
        await self._execute("delete_other_failures", model_key)
