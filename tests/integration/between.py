"""Stands between the suite and the service, passes calls on, and answers some of them wrongly."""

import re
from typing import NamedTuple

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METHODS = ["GET", "POST", "DELETE", "PATCH", "OPTIONS"]
OURS = (
    "host",
    "content-length",
    "content-encoding",
    "connection",
    "transfer-encoding",
    "accept-encoding",
    "date",
)
"""Headers of one connection."""


class Change(NamedTuple):
    """How some calls, by method, path and body, are answered: with a status, or with other words."""

    calls: str
    status: int | None = None
    words: tuple[str, str] | None = None
    after: str = ""
    """Only once there was a call like this."""
    passed_on: bool = False
    """Whether the service has done what it is then said to have not."""


def between(url: str, *changes: Change) -> Starlette:
    heard: list[str] = []

    async def passed_on(request: Request) -> Response:
        body = await request.body()
        path = f"{request.scope['raw_path'].decode()}?{request.url.query}".removesuffix("?")
        call = f"{request.method} {path} {body.decode()}"
        wrong = [each for each in changes if re.match(each.calls, call) and _any_is_like(heard, each.after)]
        heard.append(call)
        for change in wrong:
            if change.status:
                if change.passed_on:
                    await _asked(url, path, request, body)
                return Response("{}", change.status, media_type="application/json")
        answer = await _asked(url, path, request, body)
        content = answer.text
        for change in wrong:
            content = re.sub(*change.words, content) if change.words else content
        headers = {name: value for name, value in answer.headers.items() if name not in OURS}
        return Response(content, answer.status_code, headers)

    return Starlette(routes=[Route("/{path:path}", passed_on, methods=METHODS)])


def _any_is_like(heard: list[str], pattern: str) -> bool:
    return not pattern or any(re.match(pattern, call) for call in heard)


async def _asked(url: str, path: str, request: Request, body: bytes) -> httpx2.Response:
    headers = [(name, value) for name, value in request.headers.items() if name not in OURS]
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.request(request.method, f"{url}{path}", content=body, headers=headers)
