"""What users say, what it should lead to, and whether it did. No model is needed here.

A file of turns has one JSON object a line (`tool_picks.jsonl`):

- `id`, `turn`: what the user says, and `why` it should lead there.
- `earlier`: what came before: `{"user": text}`, `{"assistant": text}`, or a call with what it gave,
  `{"call": tool, "arguments": {...}, "result": text}`.
- `expect`: the calls that are right, any of them; none where nothing is to be called. Each has `tool` (a name
  or several), `says` (words that its text must hold, "a|b" for either), `arguments` (a value, or a `Bound`).

An argument that narrows what is found, and that nobody asked for, is wrong: it hides what is there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

TURNS = Path(__file__).with_name("tool_picks.jsonl")
TODAY = date(2026, 3, 18)
"""The day on which the turns are said."""

NARROWING = {
    "search": {"conversation_id", "speaker", "source", "tags", "since", "until", "cursor"},
    "ask": {"conversation_id", "speaker", "source", "tags", "since", "until"},
    "list_conversations": {"title", "source", "tags", "since", "until", "cursor"},
    "fetch": {"id", "uri", "first"},
    "forget": {"conversation_ids", "position", "source"},
}
_WORDED = {"search": ("query",), "ask": ("question",), "ingest": ("title", "content", "messages")}

Schema = Mapping[str, Any]
Verdict = Literal["right", "wrong arguments", "wrong tool", "missed", "called for nothing", "failed"]


class Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bound(Said):
    """What an argument must be. `is`: one of these; `contains`: each of these words, "a|b" for either."""

    one_of: tuple[Any, ...] | None = Field(None, alias="is")
    contains: tuple[str, ...] | None = None
    between: tuple[date, date] | None = None
    least: float | None = None
    given: Literal[True] | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Bound":
        said = (self.one_of, self.contains, self.between, self.least, self.given)
        if sum(each is not None for each in said) != 1:
            raise ValueError("a bound says one thing")
        return self

    def met(self, value: object) -> bool:
        if value in (None, "", []):
            return self.optional
        if self.one_of is not None:
            return any(_plain(value) == _plain(each) for each in self.one_of)
        if self.contains is not None:
            return _holds(value, self.contains)
        if self.between is not None:
            day = _day(value)
            return day is not None and self.between[0] <= day <= self.between[1]
        return self.least is None or (isinstance(value, int | float) and value >= self.least)

    def __str__(self) -> str:
        return json.dumps(
            self.model_dump(mode="json", by_alias=True, exclude_defaults=True), ensure_ascii=False
        )


def _bounds(values: object) -> object:
    """A plain value is the only one that is right."""
    if not isinstance(values, dict):
        return values
    return {name: value if isinstance(value, dict) else {"is": [value]} for name, value in values.items()}


class Expected(Said):
    tool: Annotated[
        tuple[str, ...], BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)
    ]
    says: tuple[str, ...] = ()
    arguments: Annotated[dict[str, Bound], BeforeValidator(_bounds)] = {}

    def __str__(self) -> str:
        told = [*(f"says {words}" for words in self.says), *(f"{n} {b}" for n, b in self.arguments.items())]
        return f"{' or '.join(self.tool)}({', '.join(told)})"


class Spoken(Said):
    user: str | None = None
    assistant: str | None = None
    call: str | None = None
    arguments: dict[str, Any] = {}
    result: str = ""

    @model_validator(mode="after")
    def _is_one_of_three(self) -> "Spoken":
        if sum(each is not None for each in (self.user, self.assistant, self.call)) != 1:
            raise ValueError("it is said by the user, by the assistant, or it is a call")
        return self


class Turn(Said):
    id: str
    earlier: tuple[Spoken, ...] = ()
    turn: str
    expect: tuple[Expected, ...]
    why: str

    @property
    def group(self) -> str:
        """The tool that it should lead to first of all."""
        return self.expect[0].tool[0] if self.expect else "nothing"


class Called(Said):
    """A call as a model makes it. `arguments` is None where they are no JSON object."""

    tool: str
    arguments: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.tool}({json.dumps(self.arguments, ensure_ascii=False)})"


class Judged(Said):
    turn: Turn
    called: tuple[Called, ...]
    verdict: Verdict
    because: str = ""

    @property
    def right_tool(self) -> bool:
        return self.verdict in ("right", "wrong arguments")


def read(path: Path = TURNS) -> list[Turn]:
    """The turns of a file.

    Raises:
        ValueError: a line is no turn, or two have the same id.
    """
    turns: dict[str, Turn] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            turn = Turn.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{path.name}, line {number}: {where}: {first['msg']}") from None
        if turn.id in turns:
            raise ValueError(f"{path.name}, line {number}: {turn.id!r} is there already")
        turns[turn.id] = turn
    return list(turns.values())


def spread(turns: Sequence[Turn], most: int | None) -> list[Turn]:
    """At most so many, from all over the file."""
    if most is None or most >= len(turns):
        return list(turns)
    return [turns[n * len(turns) // most] for n in range(most)]


def judge(turn: Turn, called: Sequence[Called], schemas: Mapping[str, Schema]) -> Judged:
    """By the first call: the others may lean on what it gives. `schemas`: of the arguments, by tool."""
    verdict, because = _verdict(turn, called[0] if called else None, schemas)
    return Judged(turn=turn, called=tuple(called), verdict=verdict, because=because)


def _verdict(turn: Turn, call: Called | None, schemas: Mapping[str, Schema]) -> tuple[Verdict, str]:
    if call is None:
        return ("missed", "nothing was called") if turn.expect else ("right", "")
    if not turn.expect:
        return "called for nothing", "nothing was to be called"
    fitting = [each for each in turn.expect if call.tool in each.tool]
    if not fitting:
        return "wrong tool", f"expected {' or '.join(dict.fromkeys(t for e in turn.expect for t in e.tool))}"
    # Of several alternatives the one is told that was nearest.
    wrong = min((_wrong(each, call, schemas[call.tool]) for each in fitting), key=len)
    return ("wrong arguments", "; ".join(wrong)) if wrong else ("right", "")


def _wrong(expected: Expected, call: Called, schema: Schema) -> list[str]:
    if call.arguments is None:
        return ["the arguments are no JSON object"]
    invalid = best_match(Draft202012Validator(schema).iter_errors(call.arguments))
    if invalid is not None:
        return [f"refused by the schema: {invalid.message}"]
    defaults = {name: part["default"] for name, part in schema["properties"].items() if "default" in part}
    arguments = {**defaults, **call.arguments}
    text = [arguments.get(name) for name in _WORDED.get(call.tool, ())]
    return [
        *(f"does not say {words}" for words in expected.says if not _holds(text, [words])),
        *(f"{name} is not {b}" for name, b in expected.arguments.items() if not b.met(arguments.get(name))),
        *(f"{name} was not asked for" for name in _unasked(expected, call)),
    ]


def _unasked(expected: Expected, call: Called) -> Iterable[str]:
    for name, value in (call.arguments or {}).items():
        if name in NARROWING.get(call.tool, ()) and name not in expected.arguments and value not in ("", []):
            yield name


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, list | tuple):
        return sorted(map(str, map(_plain, value)))
    return value


def _holds(value: object, words: Iterable[str]) -> bool:
    text = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).casefold()
    return all(any(word.casefold() in text for word in either.split("|")) for either in words)


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
