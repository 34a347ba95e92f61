"""worker: vectors, made apart from the servers that need them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mcp_rag import compose, log
from mcp_rag.cli.running import Stopped, run
from mcp_rag.compose import Parts
from mcp_rag.errors import InvalidInput, StoreUnavailable
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings

if TYPE_CHECKING:
    from mcp_rag.sidecar import Sidecar

logger = log.logger()

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 4.0
"""Seconds until a database that is down is tried again; doubled each time."""


def worker(
    once: Annotated[
        bool, typer.Option("--once", help="Embed what waits now, then exit with 0. For a cron job.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="First have the passages tried again that were set aside.")
    ] = False,
    look_every: Annotated[
        float,
        typer.Option(
            min=1,
            metavar="SECONDS",
            help="Look for passages so often, besides hearing of each ingest at once.",
        ),
    ] = 60,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port for probes and metrics, instead of MCP_RAG_HEALTH_PORT; none where neither is given.",
        ),
    ] = None,
) -> None:
    """Make the vectors that are missing, for all tenants.

    Start any number of workers, on any machines that reach the database: they share the work and wait for
    nobody. A server that is to make none itself is started with `mcp-rag serve --no-embed`. Model and
    database are set as for a server, and must be the same.

    A passage is found by its words as soon as it is stored, and by its meaning once it has its vector. A
    batch and its vectors are one transaction: a worker that is stopped (SIGTERM, Ctrl-C) or killed loses
    nothing and does nothing twice. When the database or the model's service is down, it waits for it; only
    with --once it fails instead.

    A passage that the model cannot embed three times, while it can embed others, is set aside; `mcp-rag
    status` shows which and why. It is tried again with --retry, after `mcp-rag reembed`, and when its text
    changes.

    With --health-port, probes are answered as by `mcp-rag serve`. /readyz is 200 while the database answers,
    its schema is the one of this version, and the model is loaded. Two workers of one machine need two ports.
    """
    settings = Settings.read()
    log.configure(settings.log_level, settings.log_format)
    if once and health_port:
        raise InvalidInput(
            "With --once nobody has the time to ask for probes.", remedy="Leave out --once or --health-port."
        )
    if health_port is not None:
        settings = settings.model_copy(update={"health_port": health_port})
    try:
        run(_once(settings, retry) if once else _always(settings, retry, look_every))
    except Stopped:
        # To be stopped is how it ends; only what was to be done once is not done then.
        if once:
            raise
    logger.info("worker ends")


async def _once(settings: Settings, retry: bool) -> None:
    async with compose.open_rag(settings, work=False) as rag:
        await _begin(rag, retry)
        await rag.vectors.ready()
        logger.info("embedded", passages=await rag.vectors.drain())


async def _always(settings: Settings, retry: bool, look_every: float) -> None:
    async with AsyncExitStack() as stack:
        opening = Opening()
        await stack.enter_async_context(compose.traced(settings, name="mcp-rag-worker"))
        probes = stack.enter_context(_probes(opening, settings)) if settings.chosen_health_port else None
        rag = await stack.enter_async_context(_opened(settings, opening))
        if probes:
            stack.callback(probes.leave)
        await _begin(rag, retry)
        # Cancelled, this ends at once, and probes hear of it; giving back what is in hand may take a while.
        await asyncio.shield(rag.vectors.work(look_every=look_every))


@dataclass
class Opening:
    """The service, which may not be open yet."""

    parts: Parts | None = None


def _probes(opening: Opening, settings: Settings) -> "Sidecar":
    # It brings a web server along, for which nobody waits who has asked for no probes.
    from mcp_rag.sidecar import Sidecar

    return Sidecar(opening, settings, embeds=True)


async def _begin(rag: Rag, retry: bool) -> None:
    logger.info("worker begins")
    if retry:
        logger.info("tried again", passages=await rag.vectors.try_again())


@asynccontextmanager
async def _opened(settings: Settings, opening: Opening) -> AsyncIterator[Rag]:
    """The service, as soon as its database is there; `opening` has it then."""
    async with AsyncExitStack() as stack:
        pause = FIRST_PAUSE
        while True:
            try:
                opening.parts = await stack.enter_async_context(compose.open_parts(settings, work=False))
                break
            except StoreUnavailable as error:
                logger.warning("not started", cause=error.cause, retry_after=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        yield opening.parts.rag
