"""What is shown: results on stdout, rich on a terminal, plain in a pipe, or as one JSON document.

Errors, progress and questions go to stderr.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mcp_rag.errors import InvalidCursor, NotFound, RagError, UnknownMessage

# Stored text can hold anything; what would steer a terminal is shown as a sign instead.
_VISIBLE = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"},
    127: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
# What errors advise by default is for those who call over MCP.
_REMEDIES = {
    NotFound.remedy: "`mcp-rag list` shows what is stored.",
    UnknownMessage.remedy: "`mcp-rag fetch` with the conversation alone shows its messages.",
    InvalidCursor.remedy: "Repeat it without --cursor to start from the first page.",
}


class Shown(Protocol):
    """Something that has a form for terminals and one for pipes."""

    @property
    def rich(self) -> RenderableType: ...

    @property
    def plain(self) -> str: ...


@dataclass(frozen=True)
class Block:
    """Running text."""

    text: Text
    indent: int = 0

    @property
    def rich(self) -> RenderableType:
        return Padding(self.text, (0, 0, 0, self.indent), expand=False)

    @property
    def plain(self) -> str:
        margin = " " * self.indent
        return "\n".join(f"{margin}{line}" if line else "" for line in self.text.plain.split("\n"))


@dataclass(frozen=True)
class Rows:
    """A table; in a pipe, lines of cells between tabs, without the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def rich(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in self.head:
            table.add_column(name, overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    @property
    def plain(self) -> str:
        return "\n".join("\t".join(row) for row in self.rows)


def block(*parts: str | tuple[str, str], indent: int = 0) -> Block:
    """Text of parts, each alone or with its style."""
    return Block(Text.assemble(*parts), indent)


def visible(text: str) -> str:
    """Stored text without the power to steer a terminal."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def on_one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def show(value: BaseModel, blocks: Iterable[Shown], *, as_json: bool) -> None:
    """Write a result to stdout: the value as JSON, or the blocks that say the same to people."""
    if as_json:
        show_json(value.model_dump(mode="json"))
    else:
        for each in blocks:
            say(each)


def say(shown: Shown) -> None:
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(shown.rich)
    else:
        sys.stdout.write(f"{shown.plain}\n")


def show_json(value: dict[str, Any]) -> None:
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=not unicode, indent=2) + "\n")


def write(text: str) -> None:
    """Show the next words of a text that is still being written."""
    sys.stdout.write(visible(text))
    sys.stdout.flush()


def warn(text: str, remedy: str = "") -> None:
    """Say something on stderr."""
    console = Console(stderr=True, highlight=False)
    console.print(Text(visible(text), "bold red" if remedy else ""), soft_wrap=True)
    if remedy:
        console.print(Text(visible(remedy)), soft_wrap=True)


def tell(error: RagError) -> None:
    """Say on stderr what went wrong, and what to do."""
    warn(error.cause, _remedy(error))


def failure(error: RagError, exit_code: int) -> dict[str, Any]:
    """An error as JSON."""
    return {
        "type": type(error).__name__,
        "cause": error.cause,
        "remedy": _remedy(error),
        "exit_code": exit_code,
    }


def _remedy(error: RagError) -> str:
    return _REMEDIES.get(error.remedy, error.remedy)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what}…"):
        yield


@contextmanager
def progress(what: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; it is called with the number of units that are done more."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
