"""What services with models ask of the tools that they are sent, as their public errors have it.

Both: names of letters, digits, "_" and "-"; the schema of an object, as JSON Schema 2020-12 has it, without
`anyOf` and its like at the top. Anthropic (platform.claude.com/docs, and the errors "input_schema does not
support oneOf, allOf, or anyOf at the top level", "Property keys should match pattern"): no `$ref` anywhere,
as its managed agents refuse it. OpenAI (the errors "array schema missing items", "string too long. Expected a
string with maximum length 1024"): lists say what is in them, descriptions are short.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

NAME = r"^[a-zA-Z0-9_-]{1,64}$"
_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_KEYWORDS = re.split(
    r"\s+",
    """type properties required additionalProperties items enum const anyOf oneOf allOf not description title
    default examples minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern
    format minItems maxItems uniqueItems minProperties maxProperties $ref $defs""",
)


def refused_by_anthropic(schema: Mapping[str, Any]) -> str | None:
    """Why a schema is refused, or None where it is taken."""
    if schema.get("type") != "object":
        return "input_schema.type: Input should be 'object'"
    if top := {"oneOf", "allOf", "anyOf"} & schema.keys():
        return f"input_schema does not support {top.pop()} at the top level"
    for part in _parts(schema):
        if "$ref" in part or "$defs" in part:
            return "input_schema: reference keywords are not supported"
        if wrong := [key for key in part.get("properties", {}) if not _KEY.fullmatch(key)]:
            return f"Property keys should match pattern '{_KEY.pattern}': {wrong[0]}"
    return _no_schema(schema)


def refused_by_openai(schema: Mapping[str, Any]) -> str | None:
    """Why a schema is refused, or None where it is taken."""
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    if {"oneOf", "allOf", "anyOf", "enum", "not"} & schema.keys():
        return "schema must not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
    for part in _parts(schema):
        kinds = part.get("type")
        if "array" in (kinds if isinstance(kinds, list) else [kinds]) and "items" not in part:
            return "array schema missing items."
    return _no_schema(schema)


def _no_schema(schema: Mapping[str, Any]) -> str | None:
    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        return f"JSON schema is invalid. It must match JSON Schema draft 2020-12: {error.message}"
    unknown = sorted({key for part in _parts(schema) for key in part} - set(_KEYWORDS))
    return f"unknown keyword {unknown[0]}" if unknown else None


def _parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """The schema and all that are in it."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    for key in ("properties", "$defs"):
        for part in schema.get(key, {}).values():
            yield from _parts(part)
    for key in ("items", "additionalProperties", "not"):
        yield from _parts(schema.get(key))
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, ()):
            yield from _parts(part)
