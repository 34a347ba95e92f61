"""Class Rag: ingest, search, ask, fetch, list, forget. Read this file to know what the service does."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from copy import copy
from datetime import UTC, datetime
from functools import partial

from mcp_rag import __version__, auditing, content, cursors, erasure, explanation, followups, ingestion, jobs
from mcp_rag.announcements import Announcement, mark
from mcp_rag.asking import Asking
from mcp_rag.briefs import LIMITS, Asked, Briefs, Limits
from mcp_rag.errors import InvalidInput, UnknownConversation, UnknownJob, UnknownMessage
from mcp_rag.explanation import LookedFor
from mcp_rag.hits import fitting
from mcp_rag.identity import DEFAULT_TENANT, LOCAL, Caller
from mcp_rag.ingestion import Heard, unheard
from mcp_rag.models import (
    EVERYTHING,
    Address,
    Answer,
    Completed,
    ConversationPage,
    Done,
    Drafted,
    Erasure,
    Event,
    Explanation,
    Extract,
    Filters,
    Job,
    Kind,
    NewMessage,
    NoAnswer,
    Prompt,
    Receipt,
    SearchResult,
    Skipped,
    Status,
    Turn,
)
from mcp_rag.ports import Answerer, Cache, Embedder, Rates, Reranker
from mcp_rag.postgres.rows import ForgetScope, OpenConversation
from mcp_rag.postgres.store import Store, Transaction
from mcp_rag.reconciliation import Changes, identify, reconcile
from mcp_rag.retrieval import Retrieval
from mcp_rag.vectors import Vectors

LARGEST_PAGE = 50
__all__ = ["DEFAULT_TENANT", "LARGEST_PAGE", "Rag"]


class Rag:
    """What people and their assistants have said and written: kept, found, and quoted.

    One tenant's view of the store. All methods may be called at the same time from any number of tasks.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        *,
        answerer: Answerer | None = None,
        reranker: Reranker | None = None,
        reranking_budget: float = 0.25,
        limits: Limits = LIMITS,
        count: Callable[[str], int] = len,
        redact: bool = False,
        cache: Cache | None = None,
        asks_the_client: bool = False,
        rates: Rates | None = None,
        caller: Caller = LOCAL,
    ) -> None:
        """Without an `answerer` answers are quotes and nothing else.

        `reranking_budget`: seconds that the second stage of an accurate search may take. `limits` is what an
        answer may take, its tokens by `count`; with `redact` a model reads no secrets; answers are kept in
        `cache`. `asks_the_client`: a caller that has a model is to be asked for the answer. It is `caller`
        who asks and changes, at most so much in a while as `rates` allow.
        """
        self._rates = rates
        self.asks_the_client = asks_the_client
        self._store = store
        self._caller, self._tenant_id = caller, caller.tenant_id
        self.vectors = Vectors(store, embedder)
        self._retrieval = Retrieval(
            store, self.vectors, reranker, budget=reranking_budget, tenant_id=self._tenant_id
        )
        self._asking = Asking(
            store,
            self._retrieval,
            self.vectors,
            answerer,
            cache,
            limits=limits,
            briefs=Briefs(limits, count=count, redact=redact),
            tenant_id=self._tenant_id,
        )

    def of(self, caller: Caller) -> "Rag":
        """The same service for another caller, who sees their tenant's store and no other."""
        theirs = copy(self)
        theirs._caller, theirs._tenant_id = caller, caller.tenant_id
        theirs._retrieval = self._retrieval.of(caller.tenant_id)
        theirs._asking = self._asking.of(theirs._retrieval, caller.tenant_id)
        return theirs

    @property
    def tenant_id(self) -> int:
        """Whose store this is."""
        return self._tenant_id

    async def listen(self, hear: Callable[[Announcement | None], None]) -> None:
        """Call `hear` with what changes, of every tenant and by whichever process, once that is committed.

        With None where anything may have changed unheard: from when all is heard, and after each loss of the
        database. Never returns.
        """
        await self._store.listen(hear)

    def mark(self, conversation_id: str) -> str:
        """By what announcements know a conversation of the caller's tenant, whether there is one or not."""
        return mark(self._store.database.secret, self._tenant_id, conversation_id)

    async def admit(self) -> None:
        """Count a call of the caller's, before it is made.

        Raises:
            TooMuch: the caller, or their tenant, has made too many.
        """
        if self._rates is not None:
            await self._rates.call(self._caller)

    async def ingest(
        self,
        conversation_id: str,
        messages: Sequence[NewMessage],
        *,
        title: str | None = None,
        source: str | None = None,
        tags: Sequence[str] | None = None,
        kind: Kind | None = None,
        restore: bool = False,
        key: str | None = None,
        progress: Heard = unheard,
    ) -> Receipt:
        """Store what is new in a conversation, in one transaction, and say what that was.

        Found by words from the moment this returns, by meaning a moment later. With `restore` it is stored
        even if it was forgotten. With a `key` of the caller's it is done once: for 24 hours the same call
        with the same key is given the same receipt, and nothing else happens. `progress` hears how many
        messages are written, of how many; before the end none of them can be found.

        Raises:
            KeyReused: another call had this key.
            InvalidInput: the id or another name cannot be used, or there is nothing to store.
            InvalidContent: none of the messages can be stored.
            TooMuch: the tenant has stored too much today.
            StoreUnavailable: nothing was stored; send it again.
        """
        conversation_id = content.conversation_id(conversation_id)
        title, source = content.name(title, "title"), content.name(source, "source")
        tags = content.tags(tags)
        longest = content.LONGEST_CALL if kind == "document" else content.LONGEST_MESSAGE
        good, skipped = content.sift(messages, longest=longest)
        if self._rates is not None:
            await self._rates.store(self._caller, sum(len(message.text.encode()) for _, message in good))
        sent = (conversation_id, title, source, kind, tags, restore, messages)
        async with self._store.transaction(self._tenant_id) as tx:
            if (key := content.name(key, "The key")) and (done := await ingestion.earlier(tx, key, sent)):
                return done
            opened = await tx.open_conversation(
                conversation_id, title=title, source=source, kind=kind, tags=tags
            )
            receipt = await self._write(
                tx, conversation_id, opened, good, skipped, restore=restore, progress=progress
            )
            if key:
                await tx.keep_receipt(key, receipt.model_dump_json(), opened.key)
        self.vectors.wake(self._tenant_id)
        return receipt

    async def search(
        self,
        query: str,
        *,
        limit: int = 8,
        filters: Filters = EVERYTHING,
        cursor: str | None = None,
        whole: bool = False,
        accurate: bool = False,
        context: int = 0,
        explain: bool = False,
        now: datetime | None = None,
        fits: Callable[[SearchResult], bool] | None = None,
    ) -> SearchResult:
        """The passages nearest to a query by words and by meaning, best first, one page of them.

        `whole` gives each passage whole instead of the part that matches. `accurate` has the first 20 read
        again together with the query, which takes a quarter of a second. `context` is how many messages on
        each side come with a hit; `explain` says of each why it ranked. "Last Tuesday" is counted from `now`.

        `fits` is asked whether a page is small enough; neighbours and then hits are left out for it, from the
        end, and the result says how many hits. The first stays, cut if it must be, so that a cursor always
        leads on.

        Raises:
            InvalidInput: the query is empty or the limit is out of range.
            InvalidCursor: the cursor is of another query.
            ModelMismatch: the store's vectors are of another model than the one configured.
            StoreUnavailable: the database cannot be reached; this is never reported as "nothing found".
        """
        query, limit = content.query(query), _page_size(limit)
        asked = (query, filters, accurate)
        (start,) = cursors.decode(cursor, asked, int) if cursor else (0,)
        found = await self._retrieval.find(query, filters, now=now or datetime.now(UTC), accurate=accurate)
        found = await self._retrieval.beside(found, start, start + limit, around=context)
        hits = found.hits(start, start + limit, whole=whole, explain=explain)
        page = partial(found.page, start=start, wanted=len(hits), asked=asked)
        if fits is None:
            return page(hits)
        shown = fitting(hits, found.question.terms, lambda some: fits(page(some)), tenant_id=self._tenant_id)
        return page(shown)

    async def ask(
        self,
        question: str,
        *,
        filters: Filters = EVERYTHING,
        history: Sequence[Turn] = (),
        now: datetime | None = None,
        drafted: Drafted | None = None,
    ) -> Answer | NoAnswer:
        """An answer whose every quote stands word for word in the store, or word that there is none.

        `history` is what was said before the question, so that it may say "it" and "then". What a model
        elsewhere has `drafted` by the `prompt` for the same question is verified, and nobody else is asked.

        Raises:
            InvalidInput, ModelMismatch, StoreUnavailable: as `search` does.
            TokensSpent: models have had their tokens of today.
        """
        events = self.answering(question, filters=filters, history=history, now=now, drafted=drafted)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Done):
                    return event.reply
        raise AssertionError("The last event is `Done`.")

    def answering(
        self,
        question: str,
        *,
        filters: Filters = EVERYTHING,
        history: Sequence[Turn] = (),
        now: datetime | None = None,
        drafted: Drafted | None = None,
    ) -> AsyncGenerator[Event]:
        """The same answer as it comes: the sources, verified sentences with their citations, and the whole.

        Closing it stops whoever writes. Raises what `ask` does.
        """
        return self._asking.stream(_asked(question, filters, history, now), drafted)

    async def prompt(
        self,
        question: str,
        *,
        filters: Filters = EVERYTHING,
        history: Sequence[Turn] = (),
        now: datetime | None = None,
    ) -> Prompt | None:
        """What a model elsewhere is to answer by; None where the store has nothing to answer with.

        Raises:
            InvalidInput, ModelMismatch, StoreUnavailable: as `search` does.
        """
        return await self._asking.prompt(_asked(question, filters, history, now))

    async def explain(
        self,
        query: str,
        *,
        address: Address | None = None,
        limit: int = 8,
        filters: Filters = EVERYTHING,
        accurate: bool = False,
        now: datetime | None = None,
    ) -> Explanation:
        """Why a search gives what it gives; with the `address` of a message, why that stands where it does.

        Raises:
            InvalidInput, ModelMismatch, StoreUnavailable: as `search` does; or the address is of no message.
            UnknownConversation, UnknownMessage: nothing is at the address.
        """
        query, limit = content.query(query), _page_size(limit)
        looked_for = await self._looked_for(address) if address else None
        found = await self._retrieval.find(
            query,
            filters,
            now=now or datetime.now(UTC),
            accurate=accurate,
            also=looked_for.passages if looked_for else (),
        )
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            plan = await tx.plan(found.question.terms)
        legs = explanation.by_the_legs(found)
        hits = legs.hits(0, limit, explain=True)
        result = legs.page(hits, start=0, wanted=len(hits), asked=None)
        return Explanation(
            question=explanation.understood(found.question, plan, tenant_id=self._tenant_id),
            result=result.model_copy(update={"next_cursor": None}),
            message=explanation.standing(found, looked_for, content.filters(filters)) if looked_for else None,
        )

    async def fetch(self, address: Address, *, around: int = 0, first: int = 0, limit: int = 200) -> Extract:
        """A conversation from message `first` on, or one message with `around` neighbours on each side.

        Raises:
            UnknownConversation: no such conversation; the error names ids that are like it.
            UnknownMessage: the conversation has no message at that position.
        """
        name = content.conversation_id(address.conversation_id)
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            conversation = await tx.find_conversation(name)
            if conversation is None:
                raise await self._unknown(tx, name)
            last = None
            if address.position is not None:
                first, last = max(0, address.position - around), address.position + around
            messages = await tx.messages(name, first=first, last=last, limit=limit + 1)
        if address.position is not None and all(m.position != address.position for m in messages):
            raise UnknownMessage(f"Conversation {name!r} has no message {address.position}.")
        more = messages[limit].position if len(messages) > limit else None
        return Extract(conversation=conversation, messages=tuple(messages[:limit]), next_position=more)

    async def list_conversations(
        self,
        *,
        filters: Filters = EVERYTHING,
        title: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> ConversationPage:
        """Conversations, the most recent first, one page of them.

        Raises:
            InvalidInput: the limit is out of range.
            InvalidCursor: the cursor is of another listing.
        """
        if not 1 <= limit <= 100:
            raise InvalidInput(f"limit is {limit}.", remedy="Ask for 1 to 100 conversations a page.")
        asked = (filters, title)
        filters, title = content.filters(filters), content.name(title, "title")
        after = None
        if cursor:
            recent, key = cursors.decode(cursor, asked, str, int)
            after = (cursors.moment(recent), key)
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            rows = await tx.conversations(filters, title=title, limit=limit + 1, after=after)
        next_cursor = None
        if len(rows) > limit:
            recent_at, key = rows[limit - 1][1]
            next_cursor = cursors.encode(asked, [recent_at.isoformat(), key])
        return ConversationPage(conversations=tuple(row[0] for row in rows[:limit]), next_cursor=next_cursor)

    async def complete(self, kind: Completed, beginning: str, *, limit: int = 20) -> list[str]:
        """What is stored of a kind and begins like this; of conversations also those whose title has it."""
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            return await tx.similar(kind, beginning, limit=limit)

    async def forget(
        self,
        *,
        conversation_ids: Sequence[str] | None = None,
        source: str | None = None,
        position: int | None = None,
        dry_run: bool = True,
        agreed: Erasure | None = None,
    ) -> Erasure:
        """Remove conversations, or the message at `position` of one, with all that was derived from them.

        With `dry_run` nothing is removed and the receipt says what would be. No more is removed than was
        `agreed`, if that is given.

        Raises:
            InvalidInput: it is not said what to forget, or it is more than was agreed.
            UnknownConversation: there is no such conversation.
            UnknownMessage: the conversation has no message at that position.
        """
        conversation_ids = [content.conversation_id(name) for name in conversation_ids or ()]
        source = content.name(source, "source")
        if not conversation_ids and source is None:
            raise InvalidInput("Nothing is named.", remedy="Give a conversation_id or a source to forget.")
        if position is not None and len(conversation_ids) != 1:
            raise InvalidInput("A position needs the one conversation that it is in.")
        async with self._store.transaction(self._tenant_id) as tx:
            scope = await self._to_forget(tx, conversation_ids, source, position)
            receipt = await erasure.preview(tx, scope)
            if agreed is not None:
                erasure.require_no_more(receipt, agreed)
            if not dry_run:
                await auditing.record(tx, self._caller, "forget", scope.conversations, scope.sizes)
                await erasure.erase(tx, scope, whole=position is None)
                marks = [self.mark(name) for name in scope.conversations.values()]
                await tx.announce(marks, listed=position is None)
        if not dry_run:
            await self._asking.forget()
        # What was made together with a message that is gone is made anew.
        self.vectors.wake(self._tenant_id)
        return receipt.model_copy(update={"dry_run": dry_run})

    async def job(self, job_id: str) -> Job:
        """How far an ingest is that has named this job: how many of the passages still wait for a vector.

        Raises:
            UnknownJob: none has, or the conversation was forgotten.
        """
        try:
            name = content.conversation_id(jobs.conversation_id(job_id))
        except InvalidInput as error:
            raise UnknownJob from error
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            # Of the store's model, whether or not this process has loaded it.
            active = await tx.active_model()
            counts = await tx.count_conversation(name, active[0] if active else None)
        if counts is None:
            raise UnknownJob
        return jobs.job(name, **counts)

    async def status(self) -> Status:
        """What the store holds and whether its parts are ready.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            counts = await tx.counts(self.vectors.model_key)
            failures = await tx.set_aside(self.vectors.model_key) if counts["set_aside"] else ()
        return Status(
            version=__version__,
            conversations=counts["conversations"],
            messages=counts["messages"],
            passages=counts["passages"],
            pending=counts["passages"] - counts["vectors"] - counts["set_aside"],
            set_aside=counts["set_aside"],
            failures=tuple(failures),
            model=self.vectors.model,
            mode="lexical" if self.vectors.notice else "hybrid",
            database=self._store.database.name,
            notice=self.vectors.notice,
        )

    async def _write(
        self,
        tx: Transaction,
        conversation_id: str,
        opened: OpenConversation,
        good: Sequence[tuple[int, NewMessage]],
        skipped: Sequence[Skipped],
        *,
        restore: bool,
        progress: Heard,
    ) -> Receipt:
        if refused := await ingestion.forgotten(tx, conversation_id, opened, restore=restore):
            return Receipt(conversation_id=conversation_id, skipped=tuple(refused))
        sent = ingestion.sections(good) if opened.kind == "document" else good
        incoming, repeated = identify(sent)
        incoming, dead = await ingestion.living(tx, conversation_id, incoming, restore=restore)
        changes = reconcile(await tx.identities(opened.key), incoming, opened.kind)
        pending = await ingestion.apply(tx, opened, changes, tenant_id=self._tenant_id, progress=progress)
        count = await tx.finish_conversation(opened.key, changed=changes.any)
        if changes.any or opened.described or opened.created:
            await self._announce(tx, conversation_id, opened, changes)
        if changes.any or opened.described:
            await tx.note_changes([opened.key])
            names, sizes = {opened.key: conversation_id}, {opened.key: changes.count}
            await auditing.record(tx, self._caller, "ingest", names, sizes)
        left_out = (*skipped, *repeated, *dead)
        return ingestion.receipt(conversation_id, changes, left_out, message_count=count, pending=pending)

    async def _announce(
        self, tx: Transaction, conversation_id: str, opened: OpenConversation, changes: Changes
    ) -> None:
        listed = opened.created or opened.titled
        reads_otherwise = listed or changes.any
        await tx.announce([self.mark(conversation_id)] if reads_otherwise else (), listed=listed)

    async def _to_forget(
        self, tx: Transaction, conversation_ids: Sequence[str], source: str | None, position: int | None
    ) -> ForgetScope:
        scope = await tx.forget_scope(conversation_ids or None, source, position)
        if missing := set(conversation_ids) - set(scope.conversations.values()):
            raise await self._unknown(tx, min(missing), position)
        if not scope.conversations:
            raise UnknownConversation(f"Nothing is stored from the source {source!r}.")
        return scope

    async def _looked_for(self, address: Address) -> LookedFor:
        if address.position is None:
            raise InvalidInput(
                f"{address.uri} is a conversation.",
                remedy="Name one message of it, as a hit's address does: …/messages/3, or id#3.",
            )
        extract = await self.fetch(address)
        async with self._store.transaction(self._tenant_id, readonly=True) as tx:
            passages, embedded = await tx.message_passages(
                extract.conversation.conversation_id, address.position, self.vectors.model_key
            )
        return LookedFor(extract, passages, embedded)

    async def _unknown(
        self, tx: Transaction, conversation_id: str, position: int | None = None
    ) -> UnknownConversation | UnknownMessage:
        if position is not None and await tx.find_conversation(conversation_id):
            return UnknownMessage(f"Conversation {conversation_id!r} has no message {position}.")
        near = await tx.similar("conversation_ids", conversation_id[:40], limit=3)
        remedy = f"Did you mean {', '.join(map(repr, near))}?" if near else None
        return UnknownConversation(f"No conversation has the id {conversation_id!r}.", remedy=remedy)


def _asked(question: str, filters: Filters, history: Sequence[Turn], now: datetime | None) -> Asked:
    return Asked(content.query(question), filters, followups.recent(history), now or datetime.now(UTC))


def _page_size(limit: int) -> int:
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput(f"limit is {limit}.", remedy=f"Ask for 1 to {LARGEST_PAGE} hits a page.")
    return limit
