"""Schemas as short as they can be said: every client pays for them with every conversation."""

from typing import Any

Schema = dict[str, Any]


def compact(schema: Schema) -> Schema:
    """The same schema without the titles that repeat names, and with "or null" said shortly."""
    return {key: _compact(key, value) for key, value in schema.items() if not _is_noise(key, value)}


def terse(schema: Schema) -> Schema:
    """An output schema whose names say enough: shapes only, for a reader who has the values before it."""
    said = ("description", "default", "format", "required")
    bare = {key: value for key, value in schema.items() if key not in said}
    return {
        key: {name: terse(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else terse(value)
        if isinstance(value, dict)
        else value
        for key, value in bare.items()
    }


def strict(schema: Schema) -> Schema:
    """An input schema that says that it knows no other arguments, and where null is as good as absent."""
    properties = {name: _without_null(part) for name, part in schema.get("properties", {}).items()}
    return {**schema, "properties": properties, "additionalProperties": False}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "additionalProperties" and value is False)


def _compact(key: str, value: Any) -> Any:
    if key in ("properties", "$defs"):
        parts = {name: compact(_nullable(part)) for name, part in value.items()}
        return parts if key == "properties" else {name: _unexplained(part) for name, part in parts.items()}
    if isinstance(value, dict):
        return compact(_nullable(value))
    if isinstance(value, list):
        return [compact(part) if isinstance(part, dict) else part for part in value]
    return value


def _unexplained(definition: Schema) -> Schema:
    """A part of a schema without its docstring: the descriptions of its fields stay."""
    return {key: value for key, value in definition.items() if key != "description"}


def _nullable(schema: Schema) -> Schema:
    """`{"anyOf": [{"type": T}, {"type": "null"}]}` as `{"type": [T, "null"]}`."""
    choices: list[Schema] = schema.get("anyOf", [])
    if len(choices) != 2 or choices[1] != {"type": "null"} or "type" not in choices[0]:
        return schema
    others = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**choices[0], "type": [choices[0]["type"], "null"], **others}


def _without_null(schema: Schema) -> Schema:
    match schema.get("type"):
        case [kind, "null"]:
            return {**schema, "type": kind}
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**choices[0], **{key: schema[key] for key in schema if key not in ("anyOf", "default")}}
