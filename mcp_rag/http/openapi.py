"""What the routes are, for machines: OpenAPI 3.1 from the models."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mcp_rag.http.problems import Problem

DESCRIPTION = """\
The memory of what people and their assistants have said and written. The same over MCP is at `/mcp`.

Every call has a token: `Authorization: Bearer mcprag_…`. What goes wrong is told as RFC 9457 says: `type` \
stays the same for the same kind of problem, `detail` says what was wrong here, `remedy` what to do next.\
"""


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                # What the framework would answer to a wrong call, and we answer with 400.
                operation["responses"].pop("422", None)
        app.openapi_schema = document
    return app.openapi_schema
