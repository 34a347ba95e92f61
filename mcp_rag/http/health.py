"""Whether the service can serve, and what is running: for probes, and for whoever looks after it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_rag.errors import SchemaOutdated, StoreError
from mcp_rag.models import Frozen
from mcp_rag.ports import Cache
from mcp_rag.postgres.aside import Probe
from mcp_rag.rag import Rag

FRESH = 1.0
"""Seconds for which nobody looks again: anybody may ask, and shall not keep the database busy."""

SERVES = ("service", "database", "schema")
"""Parts without which nothing can be served: a search goes by words where there is no model."""
EMBEDS = (*SERVES, "embedding")
"""Parts without which no vector can be made."""


class Part(Frozen):
    """One thing that the service stands on."""

    state: Literal["ok", "starting", "stopping", "degraded", "down", "unknown"]
    ms: float | None = None
    """How long it took to answer."""
    detail: str | None = None


class Health(Frozen):
    """The service, and each thing that it stands on."""

    status: Literal["ok", "degraded", "down"]
    parts: dict[str, Part]
    lacks: Annotated[tuple[str, ...], Field(exclude=True)]
    """What keeps it from its work."""

    @classmethod
    def of(cls, parts: dict[str, Part], needed: Sequence[str]) -> "Health":
        bad = [name for name, part in parts.items() if part.state != "ok"]
        lacks = tuple(name for name in needed if name in bad)
        return cls(status="down" if lacks else "degraded" if bad else "ok", parts=parts, lacks=lacks)


class Version(Frozen):
    """What is running."""

    version: str
    revision: str | None
    """The git revision, where it is known."""
    schema_revision: str
    """Of the database schema that this version needs."""
    model: str
    """The embedding model."""


class Vitals:
    """What probes are answered from. For one event loop; it takes nothing from those who work."""

    def __init__(
        self,
        *,
        rag: Callable[[], Rag | None],
        leaves: Callable[[], bool],
        database: Callable[[], str | None],
        cache: Cache | None,
        version: Version,
        needed: Sequence[str] = SERVES,
    ) -> None:
        """`rag` gives the service once it is open, `database` the URL once it is known; without a `cache`,
        nothing is said of one. It is ready when all that is `needed` is well.
        """
        self._rag, self._leaves, self._needed = rag, leaves, needed
        self._probe, self._cache = Probe(database), cache
        self._version = version
        self._looking = asyncio.Lock()
        self._looked: tuple[float, dict[str, Part]] = (0.0, {})

    async def health(self) -> Health:
        parts = await self._outside()
        parts = {"service": self._service(), **parts, "embedding": self._embedding()}
        return Health.of(parts, self._needed)

    def version(self) -> Version:
        rag = self._rag()
        model = rag.vectors.model if rag is not None else None
        return self._version.model_copy(update={"model": model.name}) if model else self._version

    async def close(self) -> None:
        self._probe.close()
        if self._cache is not None:
            await self._cache.close()

    def _service(self) -> Part:
        if self._leaves():
            return Part(state="stopping", detail="It finishes what it has begun, and begins nothing else.")
        if self._rag() is None:
            return Part(state="starting")
        return Part(state="ok")

    def _embedding(self) -> Part:
        rag = self._rag()
        if rag is None:
            return Part(state="unknown")
        if rag.vectors.notice and "embedding" in self._needed:
            return Part(state="down", detail="There is no embedding model: passages wait.")
        if rag.vectors.notice:
            return Part(state="degraded", detail="There is no embedding model: search goes by words alone.")
        return Part(state="ok")

    async def _outside(self) -> dict[str, Part]:
        """What others run. Whoever asks while somebody looks is told what that one saw."""
        async with self._looking:
            when, parts = self._looked
            if not parts or time.monotonic() - when > FRESH:
                parts = {**await self._stored(), **await self._kept()}
                self._looked = (time.monotonic(), parts)
            return parts

    async def _stored(self) -> dict[str, Part]:
        begun = time.perf_counter()
        try:
            found = await self._probe.schema()
        except SchemaOutdated as error:
            return {"database": Part(state="ok", ms=_since(begun)), "schema": _outdated(error)}
        except StoreError as error:
            # In its own words only: those of the driver may name hosts and accounts.
            down = Part(state="down", ms=_since(begun), detail=type(error)().cause)
            return {"database": down, "schema": Part(state="unknown")}
        answered = Part(state="ok", ms=_since(begun))
        if not found.suits:
            return {"database": answered, "schema": _outdated(found.refusal())}
        return {"database": answered, "schema": Part(state="ok", detail=found.revision)}

    async def _kept(self) -> dict[str, Part]:
        if self._cache is None:
            return {}
        begun = time.perf_counter()
        if await self._cache.answers():
            return {"cache": Part(state="ok", ms=_since(begun))}
        down = "Redis is down: every answer is made anew."
        return {"cache": Part(state="degraded", ms=_since(begun), detail=down)}


def open_routes(vitals: Vitals) -> list[Route]:
    """What anybody may ask, wherever the service is reached."""

    async def health(request: Request) -> JSONResponse:
        found = await vitals.health()
        return _answer(found, 503 if found.lacks else 200)

    async def version(request: Request) -> JSONResponse:
        return _answer(vitals.version(), 200)

    return [Route("/health", health), Route("/version", version)]


def probe_routes(vitals: Vitals) -> list[Route]:
    """What whoever runs the process asks."""

    async def alive(request: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    async def ready(request: Request) -> JSONResponse:
        lacks = (await vitals.health()).lacks
        return JSONResponse({"ready": not lacks, "lacks": lacks}, 503 if lacks else 200)

    return [Route("/livez", alive), Route("/readyz", ready)]


def _answer(found: Frozen, status: int) -> JSONResponse:
    # What was true a moment ago is of no use to anybody.
    return JSONResponse(found.model_dump(exclude_none=True), status, headers={"Cache-Control": "no-store"})


def _outdated(error: SchemaOutdated) -> Part:
    return Part(state="down", detail=str(error))


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)
