"""How a verb runs: its settings, the service, an orderly end on Ctrl-C, and what its exit code is."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

import structlog

from mcp_rag import compose, log
from mcp_rag.cli import output
from mcp_rag.errors import InvalidInput, InvalidSettings, ModelError, RagError, StoreError
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings

T = TypeVar("T")

DONE, FAILED, MISUSED, NO_STORE, NO_MODEL = 0, 1, 2, 3, 4
NOT_FOUND = FAILED
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

EXIT_CODES = """\
Exit codes: 0 done, and found; 1 nothing found, or something failed; 2 wrong usage, input or setting; \
3 the database cannot be used; 4 the model cannot be used; 130 stopped by Ctrl-C."""


class Stopped(RagError):
    """Stopped before the end."""

    remedy = ""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def exit_code(error: RagError) -> int:
    if isinstance(error, Stopped):
        return error.exit_code
    if isinstance(error, InvalidInput | InvalidSettings):
        return MISUSED
    if isinstance(error, StoreError):
        return NO_STORE
    return NO_MODEL if isinstance(error, ModelError) else FAILED


def read_settings() -> Settings:
    """The settings; and logs only as they ask for, since a verb tells by itself what went wrong.

    Raises:
        InvalidSettings: a variable has a value that cannot be used.
    """
    settings = Settings.read()
    log.configure(settings.log_level, settings.log_format)
    if "log_level" not in settings.model_fields_set:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return settings


def with_rag(work: Callable[[Rag], Awaitable[T]]) -> T:
    """Do something with the service.

    Raises:
        RagError: as the work does, or because the store cannot be opened.
        Stopped: it was stopped by a signal.
    """
    settings = read_settings()

    async def opened() -> T:
        async with AsyncExitStack() as stack:
            with output.waiting("Opening the store"):
                rag = await stack.enter_async_context(compose.open_rag(settings, work=False))
            return await work(rag)

    return run(opened())


async def model_loaded(rag: Rag) -> None:
    """Wait for the model; without one, what follows goes by words alone and says so."""
    rag.vectors.start(work=False)
    with output.waiting("Loading the model"), suppress(ModelError):
        await rag.vectors.ready()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or until a signal has stopped it and it has cleaned up.

    Raises:
        Stopped: by a signal.
    """
    try:
        return asyncio.run(_stoppable(work))
    except KeyboardInterrupt:
        raise Stopped(INTERRUPTED) from None
    except asyncio.CancelledError:
        raise Stopped(TERMINATED) from None


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    with suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
