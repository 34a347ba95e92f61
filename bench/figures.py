"""What was measured, against what, and whether that is as good as it must be."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDTH = 150
"""Columns of the table where no terminal says how many."""


@dataclass(frozen=True)
class Target:
    """A bound on a figure's ratio, or on the figure itself where it has no reference."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Reference:
    """What a figure is compared with, measured in the same run and in the same unit."""

    name: str
    value: float


@dataclass(frozen=True)
class Figure:
    """One measurement. Without a target it is there to explain another."""

    name: str
    value: float
    unit: str
    reference: Reference | None = None
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.reference.value if self.reference else None

    @property
    def met(self) -> bool | None:
        ratio = self.ratio
        return None if self.target is None else self.target.met(self.value if ratio is None else ratio)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed, interpolated."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def write(path: Path, figures: Sequence[Figure], machine: dict[str, Any]) -> None:
    rows = [asdict(figure) | {"ratio": figure.ratio, "met": figure.met} for figure in figures]
    path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2, ensure_ascii=False) + "\n")


def show(figures: Sequence[Figure], machine: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    table = Table(title="mcp-rag, measured", title_justify="left")
    table.add_column("measurement", no_wrap=True)
    for column in ("figure", "reference", "ratio", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("what the reference is, and notes")
    for figure in figures:
        table.add_row(*_cells(figure))
    console.print(table)
    console.print(", ".join(f"{name}: {value}" for name, value in machine.items()), style="dim")


def _cells(figure: Figure) -> tuple[str, ...]:
    reference, ratio = figure.reference, figure.ratio
    return (
        figure.name,
        _amount(figure.value, figure.unit),
        _amount(reference.value, figure.unit) if reference else "",
        "" if ratio is None else f"{ratio:.2f}",
        str(figure.target) if figure.target else "",
        {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met],
        "; ".join(filter(None, (reference.name if reference else "", figure.note))),
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def machine() -> dict[str, Any]:
    """Where and when this was measured, before the measurements load it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "commit": _commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_at_start": load(),
    }


def load() -> list[float]:
    """How many processes wanted a core in the last 1, 5 and 15 minutes."""
    return [round(average, 2) for average in os.getloadavg()]


def _commit() -> str | None:
    """The commit that is measured, marked when the tree differs from it; None outside of a checkout."""
    root = Path(__file__).parent
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
