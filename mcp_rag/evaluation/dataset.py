"""An open benchmark set as its folder holds it.

    corpus.jsonl            {"id", "text", "meta": {"group", "session", "title", "speaker", "date", "ord"}}
    queries.jsonl           {"id", "text", "meta": {"group", "category", "answer" or "answers"}}
    qrels.tsv               question, row and grade between tabs: what answers the question
    qrels_session.tsv       the same by session, if there is one
    qrels_adversarial.tsv   rows that look as if they answered what nothing answers, if there is one
    sample*.txt             ids of the questions for which the set is usually quoted, if there is one

Anything in `meta` may be missing. A question searches its own group only; without a group, the whole corpus.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mcp_rag.errors import InvalidInput
from mcp_rag.evaluation.dates import moment

Judgements = Mapping[str, Mapping[str, int]]
"""Question to row to grade; a row that answers has a grade above 0."""

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels.tsv"
UNANSWERABLE = frozenset({"adversarial", "unanswerable"})
"""Categories of questions that the set itself says nothing answers."""
FORM = f"""\
A set is a folder with {CORPUS} and {QUERIES}, lines of {{"id", "text", "meta"}}, and {QRELS}, lines of \
question, row and grade between tabs. Open ones to make it of: LoCoMo (github.com/snap-research/locomo, \
by way of dial481/locomo-audit), SQuAD 2.0 (rajpurkar.github.io/SQuAD-explorer) and QMSum \
(github.com/Yale-LILY/QMSum)."""


@dataclass(frozen=True)
class Row:
    """A message, or a paragraph of a document: what is judged."""

    id: str
    text: str
    group: str
    session: str
    title: str
    speaker: str
    date: datetime | None
    undated: bool
    """It has a date that cannot be understood."""
    order: float


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    group: str
    category: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    name: str
    folder: Path
    rows: Mapping[str, Row]
    questions: Mapping[str, Question]
    qrels: Judgements
    session_qrels: Judgements
    adversarial_qrels: Judgements
    standard: frozenset[str] | None
    """The questions for which the set is usually quoted; None means all."""

    @property
    def answerable(self) -> list[Question]:
        """The questions with a judgement, which are those that count in recall."""
        return [
            question for question in self.questions.values() if any(self.qrels.get(question.id, {}).values())
        ]

    @property
    def unanswerable(self) -> list[Question]:
        """The questions that nothing answers. One that is merely not judged is not among them."""
        return [
            question
            for question in self.questions.values()
            if question.id not in self.qrels
            and (question.id in self.adversarial_qrels or question.category in UNANSWERABLE)
        ]


def read(folder: Path, *, judgements: Path | None = None) -> Dataset:
    """The set in a folder. `judgements` is read instead of `qrels.tsv`: from there, else from where it says.

    Raises:
        InvalidInput: the folder is no set, and what a set is; or a line of it cannot be read.
    """
    missing = [name for name in (CORPUS, QUERIES, QRELS) if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(f"{folder} is no set: it has no {', no '.join(missing)}.", remedy=FORM)
    qrels = folder / (judgements or QRELS)
    if not qrels.is_file() and judgements:
        qrels = judgements
    standard = sorted(folder.glob("sample*.txt"))[:1]
    return Dataset(
        name=folder.resolve().name,
        folder=folder,
        rows=_by_id(folder / CORPUS, (_row(n, each) for n, each in enumerate(_lines(folder / CORPUS)))),
        questions=_by_id(folder / QUERIES, map(_question, _lines(folder / QUERIES))),
        qrels=_judgements(qrels),
        session_qrels=_judgements(folder / "qrels_session.tsv", optional=True),
        adversarial_qrels=_judgements(folder / "qrels_adversarial.tsv", optional=True),
        standard=frozenset(standard[0].read_text(encoding="utf-8").split()) if standard else None,
    )


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_Each = TypeVar("_Each", bound=_Named)


def _by_id(path: Path, each: Iterable[_Each]) -> dict[str, _Each]:
    found: dict[str, _Each] = {}
    for item in each:
        if item.id in found:
            raise InvalidInput(f"{path} has the id {item.id!r} twice.", remedy="Give every line its own id.")
        found[item.id] = item
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, each with an id, a text and a meta."""
    with path.open(encoding="utf-8") as lines:
        for n, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                read = json.loads(line)
                yield {"id": str(read["id"]), "text": str(read["text"] or ""), "meta": read.get("meta") or {}}
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InvalidInput(f'{path}:{n} is no {{"id", "text", "meta"}}.', remedy=FORM) from None


def _row(n: int, line: dict[str, Any]) -> Row:
    meta = line["meta"]
    said, order = _text(meta, "date"), meta.get("ord")
    date = moment(said) if said else None
    return Row(
        id=line["id"],
        text=line["text"],
        group=_text(meta, "group"),
        session=_text(meta, "session"),
        title=_text(meta, "title"),
        speaker=_text(meta, "speaker"),
        date=date,
        undated=bool(said) and date is None,
        order=n if order is None else float(order),
    )


def _question(line: dict[str, Any]) -> Question:
    meta = line["meta"]
    given = meta.get("answers", meta.get("answer"))
    answers = given if isinstance(given, list) else [given]
    return Question(
        id=line["id"],
        text=line["text"],
        group=_text(meta, "group"),
        category=_text(meta, "category"),
        answers=tuple(str(answer) for answer in answers if answer not in (None, "")),
    )


def _text(meta: dict[str, Any], name: str) -> str:
    value = meta.get(name)
    return "" if value is None else str(value).strip()


def _judgements(path: Path, *, optional: bool = False) -> dict[str, dict[str, int]]:
    if not path.is_file():
        if optional:
            return {}
        raise InvalidInput(
            f"There are no judgements in {path}.", remedy="Name a file, or one in the set's folder."
        )
    read: dict[str, dict[str, int]] = {}
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            if line.strip():
                question, row, grade = line.split("\t")
                read.setdefault(question, {})[row] = int(float(grade))
        except ValueError:
            raise InvalidInput(
                f"{path}:{n} is no question, row and grade between tabs.", remedy=FORM
            ) from None
    return read
