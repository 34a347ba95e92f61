"""How good a ranking is, how sure that is, and whether another is better.

The measures are those of `ir-measures`: recall and nDCG are trec_eval's, RR@10 is the reciprocal rank within
ten. Means come with the 95 % interval of the percentile bootstrap over questions (Efron and Tibshirani 1993,
chapter 13), comparisons with the same of the paired differences and the p-value of a sign-flip randomisation
test (Fisher 1935; for retrieval, Smucker, Allan and Carterette 2007).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcp_rag.evaluation.dataset import Judgements
from mcp_rag.evaluation.extra import required
from mcp_rag.evaluation.runs import Run, scores
from mcp_rag.models import Frozen

MEASURES = ("R@1", "R@5", "R@10", "nDCG@10", "RR@10")
SESSION_MEASURES = ("R@5", "R@10")

RESAMPLES, FLIPS = 1_000, 9_999
SEED = 20261123
_BATCH = 500

Values = NDArray[np.float64]


class Figure(Frozen):
    """The mean of a measure over questions, and its 95 % interval."""

    measure: str
    value: float
    low: float
    high: float
    questions: int


class Difference(Frozen):
    """By how much this run is better than another on the same questions; negative where it is worse."""

    measure: str
    before: float
    now: float
    difference: float
    low: float
    high: float
    p: float
    """How often a difference as large comes by chance, if the two are equally good."""
    questions: int


@dataclass(frozen=True)
class Scored:
    """A measure in each column, a question in each line."""

    measures: Sequence[str]
    questions: Sequence[str]
    values: Values
    """Shape (questions, measures), 0 to 1."""

    def of(self, questions: Iterable[str]) -> "Scored":
        """Some of the questions, those that are here, in their order here."""
        wanted = set(questions)
        lines = [n for n, question in enumerate(self.questions) if question in wanted]
        return Scored(self.measures, [self.questions[n] for n in lines], self.values[lines])


def score(
    run: Run, qrels: Judgements, questions: Sequence[str], measures: Sequence[str] = MEASURES
) -> Scored:
    """Score a run on the questions that have a judgement; one for which it found nothing scores 0.

    Raises:
        EvaluationNotInstalled: ir-measures is not there.
    """
    scorer = required("ir_measures")
    judged = [question for question in questions if any(qrels.get(question, {}).values())]
    line, column = {q: n for n, q in enumerate(judged)}, {name: n for n, name in enumerate(measures)}
    values = np.zeros((len(judged), len(measures)))
    found = {question: scores(run[question]) for question in judged if run.get(question)}
    wanted = [scorer.parse_measure(name) for name in measures]
    if found:
        for each in scorer.iter_calc(wanted, {question: dict(qrels[question]) for question in judged}, found):
            values[line[each.query_id], column[str(each.measure)]] = each.value
    return Scored(measures, judged, values)


def figures(scored: Scored) -> list[Figure]:
    """The mean of each measure; none where there are no questions."""
    if not scored.questions:
        return []
    low, high = interval(scored.values)
    means = scored.values.mean(axis=0)
    return [
        Figure(measure=name, value=mean, low=a, high=b, questions=len(scored.questions))
        for name, mean, a, b in zip(scored.measures, means.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def compare(now: Scored, before: Scored) -> list[Difference]:
    """The paired differences on the questions that both have."""
    now, before = now.of(before.questions), before.of(now.questions)
    order = {question: n for n, question in enumerate(before.questions)}
    then = before.values[[order[question] for question in now.questions]]
    if not now.questions:
        return []
    differences = now.values - then
    low, high = interval(differences)
    chance = sign_flips(differences)
    return [
        Difference(
            measure=name,
            before=float(then[:, n].mean()),
            now=float(now.values[:, n].mean()),
            difference=float(differences[:, n].mean()),
            low=float(low[n]),
            high=float(high[n]),
            p=float(chance[n]),
            questions=len(now.questions),
        )
        for n, name in enumerate(now.measures)
    ]


def interval(values: Values) -> tuple[Values, Values]:
    """Where 95 % of the means of resampled lines lie, for each column."""
    chance = np.random.default_rng(SEED)
    count = len(values)
    means = np.array([values[chance.integers(0, count, count)].mean(axis=0) for _ in range(RESAMPLES)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def sign_flips(differences: Values) -> Values:
    """For each column, the two-sided p-value of its mean if every line's sign were a coin's."""
    chance = np.random.default_rng(SEED)
    observed = np.abs(differences.sum(axis=0))
    extreme, flipped = np.zeros(differences.shape[1]), 0
    while flipped < FLIPS:
        some = min(_BATCH, FLIPS - flipped)
        signs = chance.integers(0, 2, (some, len(differences))) * 2.0 - 1.0
        # A sum in another order may differ in its last digits, which is no difference.
        extreme += (np.abs(signs @ differences) >= observed - 1e-9).sum(axis=0)
        flipped += some
    return np.asarray((extreme + 1) / (FLIPS + 1))
