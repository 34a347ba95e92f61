"""`python -m bench`: measures, prints a table, writes JSON. A missed target is a finding, not a failure."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import (
    answers,
    bulk,
    calls,
    corpus,
    figures,
    index,
    ingest,
    lexical,
    memory,
    migrations,
    outages,
    progress,
    search,
    service,
    stdio,
    stores,
    tenants,
)
from bench.by_hand import connected
from bench.corpus import Corpus
from bench.figures import Figure
from bench.search import Subject
from bench.stores import Lent, Progress
from bench.vectors import blends
from mcp_rag import embedding, log
from mcp_rag.ports import Embedder

ROOT = Path(__file__).parent.parent
IN_STORES = ("search", "lexical", "index", "memory")
MEASUREMENTS = ("stdio", "ingest", "answers", "service", "calls", *IN_STORES)
ON_DEMAND = ("migrations",)
"""Of no use to who compares two commits."""
MODEL = "onnx", "bge-small-en-v1.5"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    passages: Sequence[int]
    sample: int
    questions: int
    ingested: int
    answered: int
    """Passages of the store that answers are made from."""
    pairs: int
    """Times that a tenant asks for what another has, and for what nobody has."""
    outages: int
    """Times that the database is away."""
    calls: int
    """Over MCP, of each kind."""
    rounds: int
    compared: int
    """Questions whose nearest passages are also looked for by an exact scan."""


WHOLE = Extent(
    passages=(10_000, 100_000),
    sample=2_400,
    questions=160,
    ingested=100,
    answered=1_000,
    pairs=3_000,
    outages=3,
    calls=1_000,
    rounds=7,
    compared=100,
)
SCALE = Extent(
    passages=(100_000, 1_000_000),
    sample=2_400,
    questions=100,
    ingested=0,
    answered=0,
    pairs=0,
    outages=0,
    calls=0,
    rounds=0,
    compared=50,
)
QUICK = Extent(
    passages=(1_000, 5_000),
    sample=200,
    questions=40,
    ingested=30,
    answered=100,
    pairs=40,
    outages=1,
    calls=40,
    rounds=3,
    compared=20,
)
INTERRUPTED = 130


def main() -> None:
    arguments = _arguments()
    # Told to end, it ends as with Ctrl-C, and leaves nothing behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    log.configure("warning", "text")
    extent = QUICK if arguments.quick else SCALE if arguments.scale else WHOLE
    if arguments.passages:
        extent = replace(extent, passages=sorted(arguments.passages))
    wanted = arguments.only or (IN_STORES if arguments.scale else MEASUREMENTS)
    told = corpus.gather(arguments.data, ROOT / "examples")
    machine = figures.machine() | {"texts": told.origin}
    try:
        with progress.shown() as say:
            measured = list(_measure(wanted, extent, told, say))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    machine["load_at_end"] = figures.load()
    figures.write(arguments.out, measured, machine)
    figures.show(measured, machine)


def _measure(wanted: Sequence[str], extent: Extent, told: Corpus, say: Progress) -> Iterator[Figure]:
    """The processes first, while nothing of ours keeps the machine busy."""
    if "stdio" in wanted:
        yield from stdio.measure(told, rounds=extent.rounds, progress=say)
    if "migrations" in wanted:
        with stores.server() as url:
            for size in extent.passages:
                yield from asyncio.run(migrations.measure(url, passages=size, progress=say))
    if {"ingest", "answers", "service", "calls", *IN_STORES} & set(wanted):
        with stores.server() as url:
            yield from asyncio.run(_measure_stores(wanted, extent, told, url, say))


async def _measure_stores(
    wanted: Sequence[str], extent: Extent, told: Corpus, url: str, say: Progress
) -> list[Figure]:
    embedder = embedding.create(*MODEL)
    try:
        await embedder.load()
        measured = []
        if "ingest" in wanted:
            measured += await ingest.measure(url, told, embedder, size=extent.ingested, progress=say)
        if "answers" in wanted:
            measured += await answers.measure(url, told, embedder, size=extent.answered, progress=say)
        if "service" in wanted:
            measured += await service.measure(url, told, embedder, size=extent.answered, progress=say)
            measured += await tenants.measure(
                url, told, embedder, size=extent.answered, pairs=extent.pairs, progress=say
            )
            measured += await outages.measure(outages=extent.outages, progress=say)
        if "calls" in wanted:
            size, number = extent.answered // 4, extent.calls
            measured += await calls.measure(url, told, embedder, size=size, calls=number, progress=say)
        if set(IN_STORES) & set(wanted):
            measured += await _measure_filled(wanted, extent, told, embedder, url, say)
        return measured
    finally:
        await embedder.close()


async def _measure_filled(
    wanted: Sequence[str], extent: Extent, told: Corpus, embedder: Embedder, url: str, say: Progress
) -> list[Figure]:
    async with AsyncExitStack() as stack:
        subjects = await _filled(stack, extent, told, embedder, url, say)
        questions, measured = told.questions[: extent.questions], list[Figure]()
        if "search" in wanted:
            say(f"searching with {len(questions)} questions")
            measured += await search.measure(subjects, embedder, questions)
        if "lexical" in wanted:
            measured += await lexical.measure(subjects, told.questions, progress=say)
        for subject in subjects:
            if "index" in wanted:
                asked = questions[: extent.compared]
                measured += await index.measure(subject, embedder, asked, progress=say)
            if "memory" in wanted:
                say(f"searching {subject.size:,} passages through a resident server")
                measured += await memory.measure(subject, questions)
        return measured


async def _filled(
    stack: AsyncExitStack, extent: Extent, told: Corpus, embedder: Embedder, url: str, say: Progress
) -> list[Subject]:
    """A store of each size."""
    vectors = await blends(embedder, told, sample=extent.sample, progress=say)
    subjects = []
    for size in extent.passages:
        rag, database = await stack.enter_async_context(stores.empty_store(url, Lent(embedder)))
        await bulk.load(rag, database, told, vectors, size=size, progress=say)
        hand = await stack.enter_async_context(connected(database, rag))
        subjects.append(Subject(size, rag, hand, database))
    return subjects


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--passages", type=int, nargs="+", help="sizes of the stores that are searched")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the JSON goes")
    parser.add_argument("--scale", action="store_true", help="a million passages: the stores, nothing else")
    parser.add_argument("--quick", action="store_true", help="less of everything: to try it, not to judge by")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(*MEASUREMENTS, *ON_DEMAND),
        help="measure these (default: all but migrations)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("MCP_RAG_BENCH_DATA", ROOT.parent / "shared" / "data")),
        help="a folder of benchmark sets (default: $MCP_RAG_BENCH_DATA, or ../shared/data)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
