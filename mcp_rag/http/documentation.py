"""What the routes are, for people: one page, made from the OpenAPI document."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

Schema = Mapping[str, Any]
JSON = "application/json"
# The page runs nothing and asks nobody for anything.
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


class Field(NamedTuple):
    """A parameter, or a property of a body."""

    name: str
    place: str
    kind: str
    required: bool
    description: str


class Operation(NamedTuple):
    """One call, as the page shows it."""

    method: str
    path: str
    description: str
    fields: list[Field]
    calls: list[str]
    answers: list[tuple[str, str, str]]
    """Status, what it means, and what comes with it."""


async def _show(request: Request) -> HTMLResponse:
    document = request.app.openapi()
    return HTMLResponse(page(document, str(request.base_url).rstrip("/")), headers=HEADERS)


route = Route("/docs", _show, include_in_schema=False)


def page(document: Schema, base: str) -> str:
    """The page for a server that is called by the URL `base`."""
    schemas = document["components"]["schemas"]
    shapes = {
        name: (schema.get("description", ""), list(_properties(schema))) for name, schema in schemas.items()
    }
    shown: str = _template().render(
        info=document["info"], operations=list(_operations(document, base)), shapes=shapes
    )
    return shown


@cache
def _template() -> Any:
    # A tenth of a second that only who reads the page pays.
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["prose"] = _prose
    text = files("mcp_rag.http").joinpath("documentation.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def _operations(document: Schema, base: str) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            body = told.get("requestBody", {}).get("content", {})
            schema = _resolved(document, body.get(JSON, {}).get("schema", {}))
            parameters = told.get("parameters", [])
            yield Operation(
                method=method.upper(),
                path=path,
                description=told["description"],
                fields=[*map(_parameter, parameters), *_properties(schema)],
                calls=list(_calls(method.upper(), base + _filled(path, parameters), schema, body)),
                answers=[_answer(status, answer) for status, answer in sorted(told["responses"].items())],
            )


def _calls(method: str, url: str, schema: Schema, body: Schema) -> Iterator[str]:
    """Commands that can be run as they are, given TOKEN."""
    call = f'curl -s {url} -H "Authorization: Bearer $TOKEN"'
    if not body:
        yield call if method == "GET" else f"{call} -X {method}"
    for example in schema.get("examples", ()):
        yield f"{call} --json {shlex.quote(json.dumps(example))}"
    for kind, content in body.items():
        if "example" in content:
            sent = f"printf %s {shlex.quote(content['example'])}"
            yield f"{sent} | {call} -H 'Content-Type: {kind}' -T - -X {method}"


def _filled(path: str, parameters: list[Schema]) -> str:
    for parameter in parameters:
        for example in parameter["schema"].get("examples", ())[:1]:
            path = path.replace(f"{{{parameter['name']}}}", quote(example, safe=""))
    return path


def _parameter(told: Schema) -> Field:
    place, schema = told["in"], told["schema"]
    return Field(told["name"], place, _kind(schema), told.get("required", False), told.get("description", ""))


def _properties(schema: Schema) -> Iterator[Field]:
    for name, told in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        yield Field(name, "body", _kind(told), required, told.get("description", ""))


def _answer(status: str, told: Schema) -> tuple[str, str, str]:
    kinds = [f"{_kind(content.get('schema', {}))} ({kind})" for kind, content in told["content"].items()]
    return status, told["description"], ", ".join(kinds)


def _kind(schema: Schema) -> str:
    """What a value is, in few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if choices := schema.get("anyOf"):
        return " or ".join(_kind(choice) for choice in choices)
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "any")) + _range(schema)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return f", {low} to {high}" if low is not None and high is not None else ""


def _resolved(document: Schema, schema: Schema) -> Schema:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _prose(text: str) -> Markup:
    """Paragraphs, with what stands between backquotes as code."""
    code = re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup("".join(f"<p>{part}</p>" for part in code.split("\n\n")))
