"""What went wrong, as RFC 9457 says it: what kind, why, and what to do next."""

from typing import Any

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from mcp_rag.errors import (
    AccessDenied,
    InvalidInput,
    IssuerUnavailable,
    KeyReused,
    Leaving,
    ModelError,
    NotFound,
    NotReady,
    Overloaded,
    RagError,
    StoreError,
    TooLarge,
    TooMuch,
    Unidentified,
    UnknownCoding,
    UnknownRoute,
    WrongMethod,
)
from mcp_rag.log import request_id
from mcp_rag.models import Frozen

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[RagError], int] = {
    KeyReused: 409,
    TooLarge: 413,
    UnknownCoding: 415,
    InvalidInput: 400,
    Unidentified: 401,
    AccessDenied: 403,
    NotFound: 404,
    WrongMethod: 405,
    TooMuch: 429,
    NotReady: 503,
    Overloaded: 503,
    Leaving: 503,
    IssuerUnavailable: 503,
    StoreError: 503,
    ModelError: 503,
}
HEADERS = {
    # The rest of the body is not read.
    413: {"Connection": "close"},
    415: {"Accept-Encoding": "gzip"},
    503: {"Retry-After": "5"},
}


class Problem(Frozen):
    """Why a call was refused, or failed."""

    type: str = Field(description="What kind of problem; it stays the same for the same kind.")
    title: str
    status: int
    detail: str
    remedy: str = Field(description="What to do next.")
    request_id: str | None = Field(default_factory=request_id, description="As `X-Request-Id` has it.")

    @classmethod
    def of(cls, error: RagError) -> "Problem":
        return cls(
            type=f"urn:mcp-rag:{type(error).__name__}",
            title=type(error)().cause,
            status=next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500),
            detail=error.cause,
            remedy=error.remedy,
        )


def problem(error: RagError, *, challenge: str | None = None) -> JSONResponse:
    """The response that an error is; `challenge` says how to be let in (`WWW-Authenticate`)."""
    told = Problem.of(error)
    headers = dict(HEADERS.get(told.status, {}))
    if isinstance(error, TooMuch):
        headers["Retry-After"] = str(error.retry_after)
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    return JSONResponse(told.model_dump(), told.status, headers=headers, media_type=MEDIA_TYPE)


def of_the_framework(error: HTTPException, path: str, *, allow: str) -> JSONResponse:
    """What the framework refuses by itself: paths, methods, and bodies that it cannot parse."""
    if error.status_code == 404:
        return problem(UnknownRoute(f"There is nothing at {path[:100]!r}."))
    if error.status_code == 405:
        refusal = problem(WrongMethod())
        refusal.headers.update({**(error.headers or {}), **({"Allow": allow} if allow else {})})
        return refusal
    return problem(InvalidInput(f"{error.detail.rstrip('.')}."))


def invalid(errors: Any) -> InvalidInput:
    """What a body or a query string is refused for, first of all."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "The body"
    return InvalidInput(f"{where}: {first['msg'].rstrip('.')}.")


def invalid_model(error: ValidationError) -> InvalidInput:
    return invalid(error.errors(include_url=False, include_input=False))
