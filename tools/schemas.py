"""Schemas as short as they can be said: every client pays for them with every conversation."""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]


def compact(schema: Schema) -> Schema:
    """The same schema without the titles that repeat names."""
    return {key: _compact(key, value) for key, value in schema.items() if not _is_noise(key, value)}


def terse(schema: Schema) -> Schema:
    """An output schema whose names say enough: shapes only, for a reader who has the values before it."""
    said = ("description", "default", "format", "required", "additionalProperties")
    return {key: _terse(key, value) for key, value in schema.items() if key not in said}


def strict(schema: Schema) -> Schema:
    """An input schema that says that it knows no other arguments, and offers what every client can send.

    Null is as good as absent, and clients that know one type a schema would refuse a tool for it. The format
    date-time wants a zone and a time of day, and the tools want neither.
    """
    definitions = {name: _plain(part) for name, part in schema.get("$defs", {}).items()}
    defined = {"$defs": definitions} if definitions else {}
    return {**_plain(schema), **defined, "additionalProperties": False}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "additionalProperties" and value is False)


def _compact(key: str, value: Any) -> Any:
    if key in ("properties", "$defs"):
        parts = {name: compact(part) for name, part in value.items()}
        return parts if key == "properties" else {name: _unexplained(part) for name, part in parts.items()}
    return _within(compact, value)


def _terse(key: str, value: Any) -> Any:
    if key in ("properties", "$defs"):
        return {name: terse(part) for name, part in value.items()}
    return _within(terse, value)


def _within(change: Callable[[Schema], Schema], value: Any) -> Any:
    """What a keyword has, the schemas in it changed."""
    if isinstance(value, dict):
        return change(value)
    if isinstance(value, list):
        return [change(part) if isinstance(part, dict) else part for part in value]
    return value


def _unexplained(definition: Schema) -> Schema:
    """A part of a schema without its docstring: the descriptions of its fields stay."""
    return {key: value for key, value in definition.items() if key != "description"}


def _plain(schema: Schema) -> Schema:
    properties = {name: _plainly(part) for name, part in schema.get("properties", {}).items()}
    return {**schema, "properties": properties}


def _plainly(schema: Schema) -> Schema:
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    only = {key: value for key, value in choices[0].items() if key != "format"}
    return {**only, **{key: schema[key] for key in schema if key not in ("anyOf", "default")}}
