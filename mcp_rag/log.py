"""Logging: structlog on stderr, because stdout belongs to MCP."""

import logging
import sys
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
        tracing.of_the_call,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The pretty one shows local variables, which hold what was stored and asked.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if form == "json"
        else [*shared, renderer],
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
