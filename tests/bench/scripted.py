"""Calls that fit what is expected, made of it alone: what a model that is always right would call."""

import json
from collections.abc import Mapping
from typing import Any

from bench.turns import Bound, Called, Expected, Turn

_TEXT = {"search": "query", "ask": "question", "ingest": "content"}


def right_call(turn: Turn) -> Called | None:
    return made(turn.expect[0]) if turn.expect else None


def made(expected: Expected, tool: str | None = None) -> Called:
    name = tool or expected.tool[0]
    bounds = {key: bound for key, bound in expected.arguments.items() if not bound.optional}
    arguments = {key: _value(key, bound) for key, bound in bounds.items()}
    words = " ".join(words.split("|")[0] for words in expected.says)
    if name in _TEXT and "messages" not in arguments:
        arguments[_TEXT[name]] = words or "anything"
    if name == "ingest":
        arguments["conversation_id"] = "kept"
        if "messages" in arguments:
            arguments["messages"] = [{"text": words, "speaker": "user"}]
    return Called(tool=name, arguments=arguments)


def _value(key: str, bound: Bound) -> Any:
    told: Mapping[str, Any] = bound.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    match told:
        case {"is": [first, *_]}:
            return list(first) if isinstance(first, list | tuple) else first
        case {"contains": words}:
            return " ".join(either.split("|")[0] for either in words)
        case {"between": [first, _]}:
            return f"{first}T00:00:00Z"
        case {"least": least}:
            return int(least)
    return [{"role": "user", "text": "before"}] if key == "history" else "given"


def as_text(called: Called) -> str:
    return json.dumps(called.arguments, ensure_ascii=False)
