"""Logging: structlog on stderr, because stdout belongs to MCP."""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Literal

import structlog

from mcp_rag import tracing

# Whoever has not configured anything yet must not write to stdout either.
structlog.configure_once(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

Level = Literal["debug", "info", "warning", "error"]


def configure(level: Level, form: Literal["text", "json"]) -> None:
    """Send our log and that of the libraries to stderr, one line per event."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        tracing.add_trace_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_told),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # They are text by now; the pretty one would warn of that.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer,
        ])
    )  # fmt: skip
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def _told(exc_info: structlog.typing.ExcInfo) -> str:
    return "".join(_traceback(exc_info[1]))


def _traceback(error: BaseException) -> Iterator[str]:
    """Where it happened, and of what kind it is. Not what it says, which may repeat what was stored."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _traceback(before)
        yield "\nthat led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield "\none of these:\n\n"
            yield from _traceback(each)


def begin(**values: str) -> None:
    """From here on, in this task and what it starts, every line has these values and no others."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**values)


def bind(**values: str | int) -> None:
    """These values too."""
    structlog.contextvars.bind_contextvars(**values)


def request_id() -> str | None:
    """Of the HTTP request that is being answered, if one is."""
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found


def logger() -> structlog.typing.FilteringBoundLogger:
    """A logger that follows what is configured later."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound
