"""Runs as files in the form of TREC: `question Q0 row rank score tag`, one line for each row found."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mcp_rag.errors import InvalidInput

Run = Mapping[str, Sequence[str]]
"""Question to the rows that were found for it, best first, none twice."""
TAG = "mcp-rag"


def scores(rows: Sequence[str]) -> dict[str, float]:
    """The rows with scores that fall with their rank.

    A scorer orders by score alone, and equal scores by name: the product's own, which are rounded and
    comparable within one result only, would not keep its order.
    """
    return {row: float(len(rows) - n) for n, row in enumerate(rows)}


def write(path: Path, run: Run) -> None:
    """Write a run.

    Raises:
        InvalidInput: an id has white space in it, which the form cannot have, or the file cannot be written.
    """
    lines = []
    for question, rows in run.items():
        if spaced := [name for name in (question, *rows) if len(name.split()) != 1]:
            raise InvalidInput(
                f"The id {spaced[0]!r} cannot stand in a TREC run.", remedy="Leave --out away."
            )
        lines += [
            f"{question} Q0 {row} {rank} {score:g} {TAG}\n"
            for rank, (row, score) in enumerate(scores(rows).items(), 1)
        ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None


def read(path: Path) -> dict[str, list[str]]:
    """A run that anybody wrote, in the order of its scores.

    Raises:
        InvalidInput: there is no such file, or it is no run.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                question, _, row, _, score, _ = line.split()
                found.setdefault(question, {})[row] = float(score)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidInput(f"{path} is no TREC run.", remedy="Name a file that --out has written.") from None
    return {question: sorted(rows, key=lambda row: -rows[row]) for question, rows in found.items()}


def of_sessions(run: Run, session_of: Mapping[str, str]) -> dict[str, list[str]]:
    """The same run by session: a session stands where its best row does."""
    return {
        question: list(dict.fromkeys(session_of[row] for row in rows if session_of[row]))
        for question, rows in run.items()
    }
