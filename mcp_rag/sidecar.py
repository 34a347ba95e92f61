"""Answers to probes, on a port and from a thread of their own: they wait for no work, whoever does it."""

import json
import math
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from types import FrameType
from typing import Self

import uvicorn
from starlette.applications import Starlette

from mcp_rag import __version__
from mcp_rag.compose import Opening, create_cache
from mcp_rag.http import health, metrics
from mcp_rag.http.health import Version, Vitals
from mcp_rag.http.leaving import Leave
from mcp_rag.http.metrics import Metrics
from mcp_rag.listening import listen
from mcp_rag.postgres import schema
from mcp_rag.postgres.aside import Tally
from mcp_rag.settings import Settings

DISTRIBUTION = "mcp-rag-memory"
PATIENCE = 5.0
"""Seconds that the thread has to end."""


class Sidecar:
    """Listens from when it is made, answers from when it is entered until it is left."""

    def __init__(
        self,
        startup: Opening,
        settings: Settings,
        leave: Leave | None = None,
        *,
        embeds: bool = False,
        listener: socket.socket | None = None,
    ) -> None:
        """It tells of a service, or of one that only `embeds`; until `leave` says that it ends.

        Without a `listener` it is at the port of the settings.

        Raises:
            InvalidSettings: something else listens on its port.
        """
        self._leave = leave or Leave()
        self._listener = listener or listen(
            settings.health_host,
            settings.health_port,
            whose=", for probes",
            other="MCP_RAG_HEALTH_PORT or --health-port (0 for none)",
        )
        app = create_app(startup, settings, self._leave, embeds=embeds)
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        )
        # Nobody waits for it where the process is killed.
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def leave(self) -> None:
        """From now on it is not ready, and answers on."""
        self._leave.told = True

    def stop(self) -> None:
        """Answer no longer. Safe to call again."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])


class Server(uvicorn.Server):
    """The server of the service: who asks hears that it leaves before it takes no more calls.

    To be told to stop is no failure: the process ends with 0, whoever told it.
    """

    def __init__(self, config: uvicorn.Config, leave: Leave, *, drain: float) -> None:
        """`drain`: seconds between the two, for who does not ask all the time."""
        super().__init__(config)
        self._leave, self._drain = leave, drain
        self._until = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In the signal's handler: a loop that is busy would come to it late."""
        again = self._leave.told
        self._leave.told = True
        if sig == signal.SIGTERM and not again:
            self._until = time.monotonic() + self._drain
        else:
            # By hand, or for the second time: nobody is waited for.
            self.force_exit = self.force_exit or (self.should_exit and sig == signal.SIGINT)
            self._until = 0
        self.should_exit = time.monotonic() >= self._until

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or time.monotonic() >= self._until
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leave.told = True
        self._leave.taken.set()
        await super().shutdown(sockets)


def create_app(startup: Opening, settings: Settings, leave: Leave, *, embeds: bool) -> Starlette:
    """All that probes ask, and `/metrics`."""
    vitals = create_vitals(startup, settings, leaves=lambda: leave.told, embeds=embeds)
    tally = Tally(lambda: database_url(startup, settings))
    measured = Metrics(tally, tenants=settings.metrics_tenants)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await vitals.close()
        await measured.close()

    routes = [*health.open_routes(vitals), *health.probe_routes(vitals), *metrics.routes(measured)]
    return Starlette(routes=routes, lifespan=lifespan)


def create_vitals(
    startup: Opening, settings: Settings, *, leaves: Callable[[], bool] = lambda: False, embeds: bool = False
) -> Vitals:
    return Vitals(
        rag=lambda: startup.parts.rag if startup.parts else None,
        leaves=leaves,
        database=lambda: database_url(startup, settings),
        cache=None if embeds else create_cache(settings),
        version=Version(
            version=__version__,
            revision=settings.revision or _installed_from(),
            schema_revision=schema.REVISION,
            model=settings.embedding_model,
        ),
        needed=health.EMBEDS if embeds else health.SERVES,
    )


def database_url(startup: Opening, settings: Settings) -> str | None:
    """Where the database is; None while an embedded one has not started."""
    if startup.parts is not None:
        return startup.parts.database.url
    return settings.database_url.get_secret_value() if settings.database_url else None


def _installed_from() -> str | None:
    """The git revision, where pip has installed one and not a release or a folder."""
    try:
        origin = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    found: str | None = json.loads(origin or "{}").get("vcs_info", {}).get("commit_id")
    return found
