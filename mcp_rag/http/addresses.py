"""Ids in paths, whatever is in them."""

from starlette.types import ASGIApp, Receive, Scope, Send

UNDER = b"/conversations/"


class KeepSlashes:
    """Leaves the paths of conversations encoded, so that an id with a slash is one part of its path.

    The routes decode it. Servers decode paths before anybody has looked at their parts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and raw.startswith(UNDER):
            scope = {**scope, "path": raw.partition(b"?")[0].decode("utf-8", "replace")}
        await self._app(scope, receive, send)
