"""`python -m bench.picks`: does a model pick the right tool, with the right arguments, or none?

The configured model gets what a client would give it: the tools as `tools/list` has them, the server's
instructions, and a turn. Nothing is carried out, no store is opened.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import offer, pickers, progress, turns
from bench.offer import Offer
from bench.pickers import Picker
from bench.stores import Progress
from bench.turns import Judged, Turn
from mcp_rag.errors import AnsweringFailed, RagError
from mcp_rag.settings import Settings

_WIDTH = 150
BELOW, UNUSABLE = 1, 2
"""Exit statuses: fewer are right than wanted; it could not be tried."""
_GROUPS = ("search", "ask", "fetch", "list_conversations", "ingest", "forget", "nothing")


def main() -> None:
    arguments = _arguments()
    try:
        chosen = turns.spread(turns.read(arguments.turns), arguments.limit)
        picker = pickers.configured(Settings.read())
        with progress.shown() as say:
            judged = asyncio.run(_judged(picker, chosen, arguments.at_once, say))
    except (RagError, ValueError, OSError) as error:
        sys.exit(_unusable(error))
    result = summary(judged, picker)
    if arguments.json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(judged, result)
    if result["share"] < arguments.at_least:
        sys.stderr.write(
            f"{result['share']:.3f} of the turns are right, and {arguments.at_least:g} must be.\n"
        )
        sys.exit(BELOW)


def _unusable(error: Exception) -> int:
    sys.stderr.write(f"{error}\n")
    return UNUSABLE


async def _judged(picker: Picker, chosen: Sequence[Turn], at_once: int, say: Progress) -> list[Judged]:
    """Every turn, in the order of the file."""
    offered = await offer.current()
    places, done = asyncio.Semaphore(at_once), 1

    async def one(turn: Turn) -> Judged:
        nonlocal done
        async with places:
            judged = await _one(picker, offered, turn)
        done += 1
        say(f"{done} of {len(chosen)} turns")
        return judged

    try:
        # A service that cannot be used at all is told by the first turn, and not by each.
        called = await picker.pick(offered, chosen[0])
        first = turns.judge(chosen[0], called, _schemas(offered))
        return [first, *await asyncio.gather(*map(one, chosen[1:]))]
    finally:
        await picker.close()


async def _one(picker: Picker, offered: Offer, turn: Turn) -> Judged:
    try:
        called = await picker.pick(offered, turn)
    except AnsweringFailed as error:
        return Judged(turn=turn, called=(), verdict="failed", because=str(error))
    return turns.judge(turn, called, _schemas(offered))


def _schemas(offered: Offer) -> dict[str, Any]:
    return {tool.name: tool.input_schema for tool in offered.tools}


def summary(judged: Sequence[Judged], picker: Picker) -> dict[str, Any]:
    """What `--json` prints. `share`: right turns of all, those that failed among these."""
    right = sum(each.verdict == "right" for each in judged)
    return {
        "model": picker.service.model,
        "service": picker.service.place,
        "turns": len(judged),
        "right": right,
        "share": right / len(judged),
        "by_tool": {
            group: _counts([each for each in judged if each.turn.group == group])
            for group in _GROUPS
            if any(each.turn.group == group for each in judged)
        },
        "wrong": [
            {
                "id": each.turn.id,
                "turn": each.turn.turn,
                "verdict": each.verdict,
                "because": each.because,
                "expected": [str(expected) for expected in each.turn.expect],
                "called": [call.model_dump() for call in each.called],
            }
            for each in judged
            if each.verdict != "right"
        ],
    }


def _counts(judged: Sequence[Judged]) -> dict[str, int]:
    return {
        "turns": len(judged),
        "right_tool": sum(each.right_tool for each in judged),
        "right": sum(each.verdict == "right" for each in judged),
        "missed": sum(each.verdict == "missed" for each in judged),
        "called_for_nothing": sum(each.verdict == "called for nothing" for each in judged),
        "failed": sum(each.verdict == "failed" for each in judged),
    }


def _show(judged: Sequence[Judged], result: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    table = Table(title=f"Tools that {result['model']} picks", title_justify="left")
    table.add_column("should lead to", no_wrap=True)
    heads = ("turns", "right tool", "right arguments", "missed", "called for nothing", "failed")
    for column in heads:
        table.add_column(column, justify="right", no_wrap=True)
    for group, counts in result["by_tool"].items():
        table.add_row(group, *map(str, counts.values()))
    table.add_section()
    table.add_row("all", *map(str, _counts(judged).values()))
    console.print(table)
    for each in judged:
        if each.verdict != "right":
            console.print(Text("\n".join(_told(each))))
    console.print(f"{result['right']} of {result['turns']} turns are right ({result['share']:.1%}).")


def _told(judged: Judged) -> list[str]:
    turn = judged.turn
    expected = " | ".join(map(str, turn.expect)) or "nothing"
    return [
        f"{turn.id}: {judged.verdict}: {judged.because}",
        f"  said      {' '.join(turn.turn.split())}",
        f"  expected  {expected}   ({turn.why})",
        f"  called    {', '.join(map(str, judged.called)) or 'nothing'}",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.picks",
        description="Does the configured model pick the right tools? Each turn is asked once, and may cost.",
    )
    parser.add_argument(
        "--turns", type=Path, default=turns.TURNS, metavar="FILE", help="other turns than ours"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="at most so many turns, evenly spread")
    parser.add_argument("--at-once", type=_count, default=4, metavar="N", help="turns asked at once (4)")
    parser.add_argument(
        "--at-least", type=float, default=0.9, metavar="SHARE", help="fail if fewer are right (0.9)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    main()
