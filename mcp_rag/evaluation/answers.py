"""What can be said of answers without a model to judge them: evidence, containment, and refusal."""

import re
import string
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mcp_rag.evaluation.asking import Found
from mcp_rag.evaluation.dataset import Dataset, Question
from mcp_rag.models import Answer, Frozen, NoAnswer

DEPTHS = (5, 10)
QUOTES = (3, 5)

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Share(Frozen):
    """Of so many questions, the share of which something is true."""

    share: float | None
    of: int


class Evidence(Frozen):
    """What stands in the first `depth` hits."""

    depth: int
    complete: Share
    """All rows that the question is judged with were found."""
    contained: Share
    """The answer stands in the text of a hit, of all questions that have one."""
    contained_where_evidence_has_it: Share
    """The same of those whose answer stands in a judged row."""


class Certainty(Frozen):
    """How well the product's certainty tells questions with an answer from those without.

    Areas under the precision-recall curve. Chance gives a class the share that it has of the questions.
    """

    answerable: float
    unanswerable: float
    answerable_share: float
    questions: int


class Refusal(Frozen):
    """What `ask` did. Precision and recall are of refusing, which is right where nothing answers."""

    answered_answerable: Share
    answered_unanswerable: Share
    precision: Share
    recall: Share
    quoted: tuple[Share, ...]
    """The answer stands in the first 3, and 5, verified quotes, of the answerable questions that have one."""
    answered_elsewhere: Share
    """Of answerable questions that were asked of conversations which are not theirs."""


def evidence(dataset: Dataset, questions: Sequence[Question], found: Mapping[str, Found]) -> list[Evidence]:
    return [_evidence(dataset, questions, found, depth) for depth in DEPTHS]


def _evidence(
    dataset: Dataset, questions: Sequence[Question], found: Mapping[str, Found], depth: int
) -> Evidence:
    complete, contained, possible = [], [], []
    for question in questions:
        hits, gold = found[question.id], dataset.qrels[question.id]
        wanted = {row for row, grade in gold.items() if grade > 0}
        complete.append(wanted <= set(hits.rows[:depth]))
        if question.answers:
            here = has_answer(question.answers, hits.texts[:depth])
            contained.append(here)
            if has_answer(
                question.answers, (dataset.rows[row].text for row in wanted if row in dataset.rows)
            ):
                possible.append(here)
    return Evidence(
        depth=depth,
        complete=share(complete),
        contained=share(contained),
        contained_where_evidence_has_it=share(possible),
    )


def has_answer(answers: Iterable[str], texts: Iterable[str]) -> bool:
    """Whether one of the answers stands in one of the texts, in whole words, both normalised."""
    wanted = [f" {words} " for answer in answers if (words := normalised(answer))]
    return any(words in f" {normalised(text)} " for text in texts for words in wanted)


def normalised(text: str) -> str:
    """Lower case without punctuation, articles and extra space, as SQuAD's evaluation compares answers."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def certainty(
    answerable: Sequence[Question], unanswerable: Sequence[Question], found: Mapping[str, Found]
) -> Certainty | None:
    """None where a class has no questions."""
    if not answerable or not unanswerable:
        return None
    sure = [found[question.id].certainty for question in (*answerable, *unanswerable)]
    labels = [True] * len(answerable) + [False] * len(unanswerable)
    return Certainty(
        answerable=precision_recall_area(sure, labels),
        unanswerable=precision_recall_area([-each for each in sure], [not label for label in labels]),
        answerable_share=len(answerable) / len(labels),
        questions=len(labels),
    )


def precision_recall_area(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Average precision: the precision at each threshold, weighed by the recall that is gained there.

    Equal scores are one threshold, so their order does not matter.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    ordered, hits = np.asarray(scores)[order], np.asarray(positive)[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    right = np.cumsum(hits)[last]
    gained = np.diff(right, prepend=0) / hits.sum()
    return float((gained * right / (last + 1)).sum())


def refusal(
    answerable: Sequence[Question],
    unanswerable: Sequence[Question],
    replies: Mapping[str, Answer | NoAnswer],
    elsewhere: Sequence[Answer | NoAnswer] = (),
) -> Refusal:
    answered = [replies[question.id].answered for question in answerable]
    invented = [replies[question.id].answered for question in unanswerable]
    refused = [False] * answered.count(False) + [True] * invented.count(False)
    return Refusal(
        answered_answerable=share(answered),
        answered_unanswerable=share(invented),
        precision=share(refused),
        recall=share([not each for each in invented]),
        quoted=tuple(
            share([_quoted(q, replies[q.id], depth) for q in answerable if q.answers]) for depth in QUOTES
        ),
        answered_elsewhere=share([reply.answered for reply in elsewhere]),
    )


def _quoted(question: Question, reply: Answer | NoAnswer, depth: int) -> bool:
    if isinstance(reply, NoAnswer):
        return False
    return has_answer(question.answers, [citation.quote for citation in reply.citations[:depth]])


def share(true: Sequence[bool]) -> Share:
    return Share(share=sum(true) / len(true) if true else None, of=len(true))
