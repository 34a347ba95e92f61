"""`mcp-rag eval`: how well what is known to be there is found, and how sure that is."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from mcp_rag import compose
from mcp_rag.cli import output
from mcp_rag.cli.options import AsJson
from mcp_rag.cli.output import Rows, Shown, block
from mcp_rag.cli.running import read_settings, run
from mcp_rag.errors import InvalidInput
from mcp_rag.evaluation import dataset as sets
from mcp_rag.evaluation import report, scratch
from mcp_rag.evaluation.answers import QUOTES, Certainty, Evidence, Refusal, Share
from mcp_rag.evaluation.calibration import Level, OfEach, Threshold
from mcp_rag.evaluation.dataset import Dataset
from mcp_rag.evaluation.extra import required
from mcp_rag.evaluation.measures import Difference, Figure
from mcp_rag.evaluation.report import Category, Report, Wishes
from mcp_rag.models import Frozen
from mcp_rag.settings import Settings

Folders = Annotated[
    list[Path], typer.Argument(metavar="DATASET...", help="Folders, one of each set.", show_default=False)
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="At most so many questions of each kind, evenly spread.")
]
Everything = Annotated[bool, typer.Option("--all", help="All questions, not only the set's standard sample.")]
ByCategory = Annotated[bool, typer.Option("--by-category", help="Show the figures of each category too.")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Write the run in TREC's form; into a folder, as SET.trec."),
]
Compare = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Compare with an earlier run; in a folder, with SET.trec."),
]
Answers = Annotated[
    bool,
    typer.Option(
        "--answers",
        help="Score evidence and certainty, and what ask answers and refuses of 300 of each kind.",
    ),
]
Accurate = Annotated[
    bool, typer.Option("--accurate", help="Search with the second stage, which reads what was found.")
]
Judgements = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Judge by this file, not by the set's qrels.tsv.")
]
Depth = Annotated[int, typer.Option(min=10, help="Rows that are kept of a ranking.")]
Kept = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Keep the filled stores here, and use them again.")
]


class Evaluation(Frozen):
    sets: tuple[Report, ...]


def evaluate(
    folders: Folders,
    limit: Limit = None,
    everything: Everything = False,
    by_category: ByCategory = False,
    out: Out = None,
    compare: Compare = None,
    answers: Answers = False,
    accurate: Accurate = False,
    judgements: Judgements = None,
    depth: Depth = 100,
    store: Kept = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well known answers are found.

    Each set goes into a store of its own, through the same ingest and search as everything else; yours is not
    touched. Needs the extra `eval`.
    """
    required("ir_measures")
    wishes = Wishes(
        limit=limit,
        everything=everything,
        depth=depth,
        accurate=accurate,
        answers=answers,
        out=out,
        compare=compare,
    )
    chosen, settings, done = _read(folders, judgements), read_settings(), []
    for each in chosen:
        here = _for_one(wishes, each, several=len(chosen) > 1)
        done.append(run(_evaluated(each, here, settings, store)))
        if not as_json:
            for shown in told(done[-1], by_category=by_category):
                output.say(shown)
    if as_json:
        output.show_json(Evaluation(sets=tuple(done)).model_dump(mode="json"))


def _read(folders: Sequence[Path], judgements: Path | None) -> list[Dataset]:
    read = [sets.read(folder, judgements=judgements) for folder in folders]
    if len({each.name for each in read}) < len(read):
        raise InvalidInput("Two of the sets have the same name.", remedy="Evaluate one after the other.")
    return read


def _for_one(wishes: Wishes, dataset: Dataset, *, several: bool) -> Wishes:
    """The wishes with the files of this set, where folders are named."""

    def file(path: Path | None) -> Path | None:
        return path / f"{dataset.name}.trec" if path and (several or path.is_dir()) else path

    return replace(wishes, out=file(wishes.out), compare=file(wishes.compare))


async def _evaluated(dataset: Dataset, wishes: Wishes, settings: Settings, stores: Path | None) -> Report:
    model = f"{settings.embedding_provider} {settings.embedding_model}"
    kept = scratch.place(stores, dataset, model=model) if stores else None
    async with AsyncExitStack() as stack:
        with output.waiting("Starting a Postgres"):
            folder = await stack.enter_async_context(scratch.data_folder(kept))
        own = {"database_url": None, "migration_database_url": None, "data_dir": folder}
        rag = await stack.enter_async_context(compose.open_rag(settings.model_copy(update=own), work=False))
        return await report.evaluate(rag, dataset, wishes, output.progress)


@dataclass(frozen=True)
class Table(Rows):
    """A table whose head is there in a pipe too, where its columns stand below each other as well."""

    @property
    def plain(self) -> str:
        lines = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def told(found: Report, *, by_category: bool) -> Iterator[Shown]:
    """What was found out about a set, as people read it."""
    mode = ", accurate" if found.accurate else ""
    yield block((f"\n{found.dataset}", "bold magenta"), f"  mcp-rag {found.version}, {found.model}{mode}")
    amounts = (f"{found.conversations:,} conversations", f"{found.messages:,} messages")
    yield block((f"{', '.join(amounts)}, {found.passages:,} passages", "dim"))
    yield from _remarks(found)
    yield _means("all", found.figures)
    if by_category:
        yield _categories(found.categories)
    if found.sessions:
        yield _means("sessions", found.sessions)
    if found.adversarial:
        yield _means("adversarial, apart", found.adversarial)
    if found.differences:
        yield _differences(found.differences)
    yield from _of_answers(found)


def _of_answers(found: Report) -> Iterator[Shown]:
    if found.evidence:
        yield _evidence(found.evidence)
    if found.certainty:
        yield _certainty(found.certainty)
    if found.calibration:
        yield _thresholds(found.calibration.thresholds)
        yield _levels(found.calibration.levels)
    if found.refusal:
        yield _refusal(found.refusal)


def _remarks(found: Report) -> Iterator[Shown]:
    if found.undated:
        yield block(
            (f"{found.undated:,} rows have a date that is not understood, and none was stored.", "yellow")
        )
    if found.by_words_alone:
        yield block((f"{found.by_words_alone:,} questions were searched by words alone.", "yellow"))
    if found.not_reranked:
        yield block((f"{found.not_reranked:,} questions were not read again in time.", "yellow"))


def _means(of: str, figures: Sequence[Figure]) -> Table:
    return _table(
        (of, "mean", "95 % interval", "questions"),
        (
            (
                figure.measure,
                _share(figure.value),
                _interval(figure.low, figure.high),
                f"{figure.questions:,}",
            )
            for figure in figures
        ),
    )


def _categories(categories: Iterable[Category]) -> Table:
    filled = [each for each in categories if each.figures]
    names = [figure.measure for figure in filled[0].figures] if filled else []
    return _table(
        ("category", *names, "questions"),
        (
            (
                output.on_one_line(each.name),
                *(_share(figure.value) for figure in each.figures),
                f"{each.figures[0].questions:,}",
            )
            for each in filled
        ),
    )


def _differences(differences: Iterable[Difference]) -> Table:
    return _table(
        ("compared", "before", "now", "difference", "95 % interval", "p", "questions"),
        (
            (
                each.measure,
                _share(each.before),
                _share(each.now),
                f"{each.difference:+.3f}",
                f"[{each.low:+.3f}, {each.high:+.3f}]",
                f"{each.p:.4f}",
                f"{each.questions:,}",
            )
            for each in differences
        ),
    )


def _evidence(evidence: Iterable[Evidence]) -> Table:
    return _table(
        ("evidence", "share", "questions"),
        (
            row
            for each in evidence
            for row in (
                _of(f"all of it in the top {each.depth}", each.complete),
                _of(f"answer in the top {each.depth}", each.contained),
                _of(
                    f"answer in the top {each.depth}, where the evidence has it",
                    each.contained_where_evidence_has_it,
                ),
            )
        ),
    )


def _certainty(certainty: Certainty) -> Table:
    share, count = certainty.answerable_share, f"{certainty.questions:,}"
    return _table(
        ("certainty tells", "area under precision-recall", "by chance", "questions"),
        (
            ("what is answered", _share(certainty.answerable), _share(share), count),
            ("what nothing answers", _share(certainty.unanswerable), _share(1 - share), count),
        ),
    )


_KINDS = "what is answered", "what nothing answers", "of another's conversations"


def _thresholds(thresholds: Iterable[Threshold]) -> Table:
    return _table(
        ("to let pass", "certainty", *_KINDS),
        ((f"{each.wanted:.2f}", _share(each.certainty), *_each(each.passing)) for each in thresholds),
    )


def _levels(levels: Iterable[Level]) -> Table:
    return _table(("confidence", *_KINDS), ((each.confidence, *_each(each.said)) for each in levels))


def _each(of: OfEach) -> tuple[str, ...]:
    return tuple(_known(each) for each in (of.answerable, of.unanswerable, of.elsewhere))


def _refusal(refusal: Refusal) -> Table:
    return _table(
        ("ask", "share", "questions"),
        (
            _of("answered, of what is answered", refusal.answered_answerable),
            _of("answered, of what nothing answers", refusal.answered_unanswerable),
            _of("precision of refusing", refusal.precision),
            _of("recall of refusing", refusal.recall),
            _of("answered, of what was asked of another's conversations", refusal.answered_elsewhere),
            *(
                _of(f"answer in the first {depth} quotes", quoted)
                for depth, quoted in zip(QUOTES, refusal.quoted, strict=True)
            ),
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    return Table(head, tuple(rows))


def _of(what: str, share: Share) -> tuple[str, ...]:
    return what, _known(share), f"{share.of:,}"


def _known(share: Share) -> str:
    return "" if share.share is None else _share(share.share)


def _share(value: float) -> str:
    return f"{value:.3f}"


def _interval(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]"
