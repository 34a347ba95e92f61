"""How much is read of a body: refused by what it says of itself, or as soon as it is more."""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_rag.http.problems import MEDIA_TYPE, Problem


class BodyLimit:
    """Answers 413 before a larger body is read whole."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isascii() and told.isdigit() and int(told) > self._most:
            await self._too_large()(scope, receive, send)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        read, begun = 0, False

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise _TooLarge
            return message

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counting, sending)
        except _TooLarge:
            if begun:
                raise
            await self._too_large()(scope, receive, send)

    def _too_large(self) -> JSONResponse:
        megabytes = self._most // 2**20
        told = Problem(
            type="urn:mcp-rag:TooLarge",
            title="The body is too large.",
            status=413,
            detail=f"At most {megabytes} MiB are read.",
            remedy="Send it in parts: the same conversation_id adds to what is stored.",
        )
        return JSONResponse(told.model_dump(), 413, media_type=MEDIA_TYPE, headers={"Connection": "close"})


class _TooLarge(Exception):
    """More has come than is read."""
