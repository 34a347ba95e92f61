"""What the routes are, for machines: OpenAPI 3.1 from the models."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mcp_rag.http.bulk import NDJSON, PATH
from mcp_rag.http.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
The memory of what people and their assistants have said and written. The same over MCP is at `/mcp`.

Every call has a token: `Authorization: Bearer mcprag_…`. What goes wrong is told as RFC 9457 says: `type` \
stays the same for the same kind of problem, `detail` says what was wrong here, `remedy` what to do next.

Bodies may come with `Content-Encoding: gzip`; answers are compressed for who sends `Accept-Encoding: gzip`. \
A path that is not below is a problem with status 404, a method that is not with 405.\
"""
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
        )
        components = document["components"]
        components["schemas"]["Problem"] = Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(name, None)
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        components["responses"] = {
            "UnknownRoute": _problem("There is nothing at this path (404)."),
            "WrongMethod": _problem("What is at this path does not take this method (405)."),
        }
        document["security"] = [{"token": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                # What the framework would answer to a wrong call, and we answer with 400.
                operation["responses"].pop("422", None)
        _add_lines(document["paths"][PATH]["post"])
        app.openapi_schema = document
    return app.openapi_schema


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": PROBLEM}}}


def _add_lines(ingest: dict[str, Any]) -> None:
    """The second form of the call, which is a route of its own."""
    ingest["requestBody"]["content"][NDJSON] = {
        "schema": _lines("NewContent", "On each line one conversation, as JSON."),
        "example": '{"conversation_id": "a", "content": "x"}\n{"conversation_id": "b", "content": "y"}\n',
    }
    ingest["responses"]["200"]["content"][NDJSON] = {
        "schema": _lines("Receipt", "On each line a receipt, or a problem, in the order of the lines sent.")
    }


def _lines(name: str, description: str) -> dict[str, Any]:
    return {
        "type": "string",
        "description": description,
        "contentMediaType": NDJSON,
        "contentSchema": {"$ref": f"#/components/schemas/{name}"},
    }
