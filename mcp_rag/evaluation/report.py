"""An evaluation from end to end: store the set, ask its questions, score what came."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from mcp_rag.evaluation import answers, asking, loading, measures, runs
from mcp_rag.evaluation.asking import Found
from mcp_rag.evaluation.calibration import Calibration, calibrate
from mcp_rag.evaluation.dataset import Dataset, Question
from mcp_rag.evaluation.loading import Places, Progress
from mcp_rag.evaluation.measures import SESSION_MEASURES, Difference, Figure
from mcp_rag.evaluation.sample import Sample, choose, spread
from mcp_rag.models import Frozen
from mcp_rag.rag import Rag

Stage = Callable[[str, str, int], AbstractContextManager[Progress]]
"""What is done, the unit and how many of it; gives what is told of each that is done."""

ASKED = 300
"""Questions of each kind that are put to `ask`, at equal distances: each takes as long as ten searches."""


@dataclass(frozen=True)
class Wishes:
    """What is to be evaluated, and how far."""

    limit: int | None = None
    everything: bool = False
    """All questions, also where the set has a standard sample."""
    depth: int = 100
    accurate: bool = False
    answers: bool = False
    out: Path | None = None
    compare: Path | None = None


class Category(Frozen):
    name: str
    figures: tuple[Figure, ...]


class Report(Frozen):
    """What was found out about one set."""

    dataset: str
    version: str
    model: str
    accurate: bool
    conversations: int
    messages: int
    passages: int
    undated: int
    """Rows whose date could not be understood; they were stored without one."""
    by_words_alone: int
    """Questions that were not searched by meaning, because the model did not answer in time."""
    not_reranked: int
    """Questions for which the second stage could not read anything in time."""
    figures: tuple[Figure, ...]
    categories: tuple[Category, ...]
    sessions: tuple[Figure, ...]
    adversarial: tuple[Figure, ...]
    """Whether the rows were found that look as if they answered questions which nothing answers."""
    differences: tuple[Difference, ...] = ()
    evidence: tuple[answers.Evidence, ...] = ()
    certainty: answers.Certainty | None = None
    calibration: Calibration | None = None
    refusal: answers.Refusal | None = None


async def evaluate(rag: Rag, dataset: Dataset, wishes: Wishes, stage: Stage) -> Report:
    """Evaluate the service, on a store that holds nothing but this set.

    Raises:
        EvaluationNotInstalled: what it scores with is not there.
        InvalidInput: a run cannot be read or written, or something else is in the store.
        ModelError: there is no model; a figure without one would be another product's.
    """
    before = runs.read(wishes.compare) if wishes.compare else None
    sample = choose(dataset, limit=wishes.limit, everything=wishes.everything)
    places = await _stored(rag, dataset, sample, stage)
    found = await _searched(rag, _to_search(dataset, sample, wishes), places, wishes, stage)
    run = {question: each.rows for question, each in found.items()}
    if wishes.out:
        runs.write(wishes.out, run)
    scored = measures.score(run, dataset.qrels, _ids(sample.answerable))
    report = (await _described(rag, dataset, found, wishes)).model_copy(
        update={
            "figures": tuple(measures.figures(scored)),
            "categories": tuple(_categories(scored, sample.answerable)),
            "sessions": tuple(_sessions(run, dataset, sample)),
            "adversarial": tuple(_adversarial(run, dataset, sample)),
        }
    )
    if before is not None:
        # A question that the earlier run does not have was not asked then, rather than without success.
        earlier = measures.score(before, dataset.qrels, [name for name in scored.questions if name in before])
        report = report.model_copy(update={"differences": tuple(measures.compare(scored, earlier))})
    if not wishes.answers:
        return report
    elsewhere = await _searched(rag, _moved(sample.answerable), places, wishes, stage)
    return report.model_copy(
        update={
            "evidence": tuple(answers.evidence(dataset, sample.answerable, found)),
            "certainty": answers.certainty(sample.answerable, sample.unanswerable, found),
            "calibration": _calibration(sample, found, elsewhere),
            "refusal": await _asked(rag, sample, stage),
        }
    )


async def _stored(rag: Rag, dataset: Dataset, sample: Sample, stage: Stage) -> Places:
    await rag.vectors.ready()
    conversations = loading.arrange(dataset, sample.groups)
    with stage(f"Storing {dataset.name}", "conversations", len(conversations)) as done:
        places = await loading.load(rag, conversations, done)
    with stage("Embedding", "passages", (await rag.status()).pending) as done:
        await rag.vectors.drain(done)
    return places


def _to_search(dataset: Dataset, sample: Sample, wishes: Wishes) -> list[Question]:
    judged = [each for each in sample.unanswerable if wishes.answers or each.id in dataset.adversarial_qrels]
    return [*sample.answerable, *judged]


async def _searched(
    rag: Rag, questions: Sequence[Question], places: Places, wishes: Wishes, stage: Stage
) -> dict[str, Found]:
    with stage("Searching", "questions", len(questions)) as done:
        return await asking.search(
            rag, questions, places, depth=wishes.depth, accurate=wishes.accurate, progress=done
        )


async def _described(rag: Rag, dataset: Dataset, found: Mapping[str, Found], wishes: Wishes) -> Report:
    status = await rag.status()
    return Report(
        dataset=dataset.name,
        version=status.version,
        model=status.model.name if status.model else "none",
        accurate=wishes.accurate,
        conversations=status.conversations,
        messages=status.messages,
        passages=status.passages,
        undated=sum(row.undated for row in dataset.rows.values()),
        by_words_alone=sum(each.lexical for each in found.values()),
        not_reranked=sum(each.notice is not None and not each.lexical for each in found.values()),
        figures=(),
        categories=(),
        sessions=(),
        adversarial=(),
    )


def _categories(scored: measures.Scored, questions: Iterable[Question]) -> list[Category]:
    members: dict[str, list[str]] = {}
    for question in questions:
        members.setdefault(question.category or "none", []).append(question.id)
    return [
        Category(name=name, figures=tuple(measures.figures(scored.of(ids))))
        for name, ids in sorted(members.items(), key=lambda item: -len(item[1]))
    ]


def _sessions(run: runs.Run, dataset: Dataset, sample: Sample) -> list[Figure]:
    session_of = {row.id: row.session for row in dataset.rows.values()}
    of_sessions = runs.of_sessions(run, session_of)
    return measures.figures(
        measures.score(of_sessions, dataset.session_qrels, _ids(sample.answerable), SESSION_MEASURES)
    )


def _adversarial(run: runs.Run, dataset: Dataset, sample: Sample) -> list[Figure]:
    return measures.figures(measures.score(run, dataset.adversarial_qrels, _ids(sample.unanswerable)))


def _calibration(
    sample: Sample, found: Mapping[str, Found], elsewhere: Mapping[str, Found]
) -> Calibration | None:
    return calibrate(
        [(question, found[question.id]) for question in sample.answerable],
        [(question, found[question.id]) for question in sample.unanswerable],
        [(question, elsewhere[question.id]) for question in _moved(sample.answerable)],
    )


async def _asked(rag: Rag, sample: Sample, stage: Stage) -> answers.Refusal:
    known, unknown = spread(sample.answerable, ASKED), spread(sample.unanswerable, ASKED)
    moved = _moved(known)
    with stage("Asking", "questions", len(known) + len(unknown) + len(moved)) as done:
        replies = await asking.ask(rag, (*known, *unknown), progress=done)
        elsewhere = await asking.ask(rag, moved, progress=done)
    return answers.refusal(known, unknown, replies, list(elsewhere.values()))


def _moved(questions: Sequence[Question]) -> list[Question]:
    """Each asked of the conversations of the next group."""
    groups = sorted({question.group for question in questions})
    if len(groups) < 2:
        return []
    following = dict(zip(groups, [*groups[1:], groups[0]], strict=True))
    return [replace(question, group=following[question.group]) for question in questions]


def _ids(questions: Sequence[Question]) -> list[str]:
    return [question.id for question in questions]
