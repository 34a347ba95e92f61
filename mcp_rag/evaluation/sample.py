"""Which of a set's questions are asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from mcp_rag.evaluation.dataset import Dataset, Question

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """Questions with a judgement, and questions that nothing answers."""

    answerable: Sequence[Question]
    unanswerable: Sequence[Question]

    @property
    def groups(self) -> frozenset[str]:
        """The scopes that must be there to ask them; the empty one is the whole corpus."""
        return frozenset(question.group for question in (*self.answerable, *self.unanswerable))


def choose(dataset: Dataset, *, limit: int | None = None, everything: bool = False) -> Sample:
    """The set's standard sample, unless `everything`; at most `limit` of each kind, evenly spread.

    Where the standard sample has no unanswerable questions, as many are taken as it has others.
    """
    answerable, unanswerable = dataset.answerable, dataset.unanswerable
    if dataset.standard is not None and not everything:
        answerable = [question for question in answerable if question.id in dataset.standard]
        standard = [question for question in unanswerable if question.id in dataset.standard]
        unanswerable = standard or spread(unanswerable, len(answerable))
    if limit is None:
        return Sample(answerable, unanswerable)
    return Sample(spread(answerable, limit), spread(unanswerable, limit))


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of them at equal distances, always the same."""
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]
