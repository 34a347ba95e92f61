"""Schemas as short as they can be said: every client pays for them with every conversation."""

from typing import Any

Schema = dict[str, Any]


def compact(schema: Schema) -> Schema:
    """The same schema without the titles that repeat names, and with "or null" said shortly."""
    return {key: _compact(key, value) for key, value in schema.items() if not _is_noise(key, value)}


def inlined(schema: Schema) -> Schema:
    """The same schema without `$ref` and `$defs`, which some services with models refuse."""
    definitions = schema.get("$defs", {})
    bare = {key: value for key, value in schema.items() if key != "$defs"}
    return {key: _inlined(value, definitions) for key, value in bare.items()}


def terse(schema: Schema) -> Schema:
    """An output schema whose names say enough: shapes only, for a reader who has the values before it.

    Where it is one object or another, it is one with the properties of both. An object that is no item of a
    list is bookkeeping, and is not described.
    """
    said = ("description", "default", "format", "required", "additionalProperties")
    bare = {key: value for key, value in _joined(schema).items() if key not in said}
    if "properties" in bare:
        bare["properties"] = {name: _shape(part) for name, part in bare["properties"].items()}
    return bare


def strict(schema: Schema) -> Schema:
    """An input schema that says that it knows no other arguments, and offers what every client can send.

    Null is as good as absent, and clients that know one type a schema would refuse a tool for it.
    """
    return {**_argument(schema), "additionalProperties": False}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "additionalProperties" and value is False)


def _inlined(value: Any, definitions: Schema) -> Any:
    if isinstance(value, list):
        return [_inlined(part, definitions) for part in value]
    if not isinstance(value, dict):
        return value
    if "$ref" not in value:
        return {key: _inlined(part, definitions) for key, part in value.items()}
    # Its docstring is for who reads the code: the descriptions of its fields stay.
    named = definitions[value["$ref"].rpartition("/")[2]]
    others = {key: part for key, part in value.items() if key != "$ref"}
    return {**{key: _inlined(named[key], definitions) for key in named if key != "description"}, **others}


def _joined(schema: Schema) -> Schema:
    choices: list[Schema] = schema.get("anyOf", [])
    if not all("properties" in choice for choice in choices):
        return schema
    others = {key: value for key, value in schema.items() if key != "anyOf"}
    properties: Schema = dict(others.get("properties", {}))
    for choice in choices:
        for name, part in choice["properties"].items():
            same = part == properties.get(name, part)
            properties[name] = part if same else {"type": part["type"]}
    return {**others, "properties": properties} if choices else schema


def _shape(schema: Schema) -> Schema:
    # What is null is left out of results.
    schema = _without_null(schema)
    kind = schema.get("type")
    if "items" in schema:
        items = terse(schema["items"])
        return {"items": items, "type": kind} if "properties" in items else {"type": kind}
    if kind == "object":
        return {"type": kind}
    return {"enum": schema["enum"]} if "enum" in schema else terse(schema)


def _compact(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: compact(_nullable(part)) for name, part in value.items()}
    if isinstance(value, dict):
        return compact(_nullable(value))
    if isinstance(value, list):
        return [compact(part) if isinstance(part, dict) else part for part in value]
    return value


def _nullable(schema: Schema) -> Schema:
    """`{"anyOf": [{"type": T}, {"type": "null"}]}` as `{"type": [T, "null"]}`."""
    choices: list[Schema] = schema.get("anyOf", [])
    if len(choices) != 2 or choices[1] != {"type": "null"} or "type" not in choices[0]:
        return schema
    others = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**choices[0], "type": [choices[0]["type"], "null"], **others}


def _argument(schema: Schema) -> Schema:
    """Without null, and without what nobody needs told: the most a position can be, and what a time is.

    The format date-time wants a zone and a time of day, and the tools want neither.
    """
    told = ("format", "exclusiveMaximum")
    bare = {key: value for key, value in _without_null(schema).items() if key not in told}
    if "properties" in bare:
        bare["properties"] = {name: _argument(part) for name, part in bare["properties"].items()}
    if "items" in bare:
        bare["items"] = _argument(bare["items"])
    return bare


def _without_null(schema: Schema) -> Schema:
    match schema.get("type"):
        case [kind, "null"]:
            return {**schema, "type": kind}
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**choices[0], **{key: schema[key] for key in schema if key not in ("anyOf", "default")}}
