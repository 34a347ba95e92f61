"""`python -m bench`: measures, prints a table, writes JSON. A missed target is a finding, not a failure."""

import argparse
import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench import corpus, figures, index, ingest, lexical, search, stdio, stores
from bench.by_hand import connected
from bench.corpus import Corpus
from bench.figures import Figure
from bench.guesses import guesses
from bench.search import Subject
from bench.stores import Progress
from mcp_rag import embedding
from mcp_rag.ports import Embedder

ROOT = Path(__file__).parent.parent
MEASUREMENTS = ("stdio", "ingest", "lexical", "search")
MODEL = "onnx", "bge-small-en-v1.5"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    passages: Sequence[int]
    sample: int
    questions: int
    ingested: int
    rounds: int


WHOLE = Extent(passages=(10_000, 100_000), sample=1_200, questions=160, ingested=200, rounds=7)
QUICK = Extent(passages=(1_000, 5_000), sample=200, questions=40, ingested=30, rounds=3)


def main() -> None:
    arguments = _arguments()
    extent = QUICK if arguments.quick else WHOLE
    if arguments.passages:
        extent = replace(extent, passages=sorted(arguments.passages))
    told = corpus.gather(arguments.data, ROOT / "examples")
    machine = figures.machine() | {"texts": told.origin}
    with Console(stderr=True).status("measuring") as status:
        measured = list(_measure(arguments.only, extent, told, status.update))
    figures.write(arguments.out, measured, machine)
    figures.show(measured, machine)


def _measure(wanted: Sequence[str], extent: Extent, told: Corpus, progress: Progress) -> Iterator[Figure]:
    """The processes first, while nothing of ours keeps the machine busy."""
    if "stdio" in wanted:
        yield from stdio.measure(told, rounds=extent.rounds, progress=progress)
    if "lexical" in wanted:
        with stores.server() as url:
            yield from asyncio.run(lexical.measure(url, told, extent.passages, progress=progress))
    if {"ingest", "search"} & set(wanted):
        with stores.server() as url:
            yield from asyncio.run(_measure_stores(wanted, extent, told, url, progress))


async def _measure_stores(
    wanted: Sequence[str], extent: Extent, told: Corpus, url: str, progress: Progress
) -> list[Figure]:
    embedder = embedding.create(*MODEL)
    try:
        await embedder.load()
        measured = []
        if "ingest" in wanted:
            measured += await ingest.measure(url, told, embedder, size=extent.ingested, progress=progress)
        if "search" in wanted:
            measured += await _measure_search(extent, told, embedder, url, progress)
        return measured
    finally:
        await embedder.close()


async def _measure_search(
    extent: Extent, told: Corpus, embedder: Embedder, url: str, progress: Progress
) -> list[Figure]:
    filler = await guesses(embedder, told, sample=extent.sample, progress=progress)
    questions = told.questions[: extent.questions]
    async with AsyncExitStack() as stack:
        subjects = []
        for size in extent.passages:
            rag, database = await stack.enter_async_context(stores.empty_store(url, filler))
            await stores.fill(rag, database, told, size=size, progress=progress)
            hand = await stack.enter_async_context(connected(database, rag))
            subjects.append(Subject(size, rag, hand, database))
        progress(f"searching with {len(questions)} questions")
        measured = await search.measure(subjects, embedder, questions)
        for subject in subjects:
            progress(f"comparing the vector index with exact scans, {subject.size:,} passages")
            measured += await index.measure(subject, embedder, questions[:50])
        return measured


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--passages", type=int, nargs="+", help="sizes of the stores that are searched")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the JSON goes")
    parser.add_argument("--quick", action="store_true", help="less of everything: to try it, not to judge by")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("MCP_RAG_BENCH_DATA", ROOT.parent / "shared" / "data")),
        help="a folder of benchmark sets (default: $MCP_RAG_BENCH_DATA, or ../shared/data)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
