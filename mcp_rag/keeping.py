"""Answers that were given before, as long as they are still right."""

from pydantic import ValidationError

from mcp_rag import telemetry
from mcp_rag.ledger import Ledger
from mcp_rag.models import Answer, Delta, Done, Event, Frozen, Sources
from mcp_rag.ports import Cache


class Kept(Frozen):
    """An answer in the cache."""

    sources: Sources
    done: Done

    def events(self, ledger: Ledger) -> list[Event]:
        """The same as it came, for nothing."""
        reply = self.done.reply
        spent = {"tokens_in": 0, "tokens_out": 0, "milliseconds": ledger.milliseconds, "cached": True}
        reply = reply.model_copy(update={"account": reply.account.model_copy(update=spent)})
        told: list[Event] = [Delta(text=reply.text), *reply.citations] if isinstance(reply, Answer) else []
        return [self.sources, *told, Done(reply=reply)]


class Keeping:
    """A cache of answers; without one, nothing is kept."""

    def __init__(self, cache: Cache | None) -> None:
        self.cache = cache

    async def get(self, key: str | None) -> Kept | None:
        if self.cache is None or not key:
            return None
        kept = _read(await self.cache.get(key))
        telemetry.cache_asked(hit=kept is not None)
        return kept

    async def forget(self, tenant_id: int) -> None:
        """Remove all of a tenant's: an answer may quote what was forgotten."""
        if self.cache is not None:
            await self.cache.drop(f"{tenant_id}:")

    async def put(self, key: str | None, kept: Kept) -> None:
        if self.cache is not None and key:
            await self.cache.put(key, kept.model_dump_json())


def _read(text: str | None) -> Kept | None:
    try:
        return Kept.model_validate_json(text) if text else None
    except ValidationError:
        # Somebody else's, under our name: as good as nothing.
        return None
