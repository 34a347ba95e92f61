"""Lists that the SDK gives whole, in pages; that of resources makes its own (conversations.py)."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from mcp_rag import cursors
from mcp_rag.errors import InvalidCursor

PAGE = 50
LISTS = {"tools/list": "tools", "prompts/list": "prompts", "resources/templates/list": "resourceTemplates"}
"""What each has its items in."""

Request = ServerRequestContext[Any, Any]


async def in_pages(ctx: Request, call_next: CallNext) -> HandlerResult:
    """A page, and where there are more the cursor of the next; a cursor that is not ours is refused."""
    if ctx.method not in LISTS:
        return await call_next(ctx)
    first = _first(ctx)
    result = await call_next(ctx)
    return _page(ctx.method, result, first) if isinstance(result, dict) else result


def _first(ctx: Request) -> int:
    cursor = (ctx.params or {}).get("cursor")
    if cursor is None:
        return 0
    try:
        (first,) = cursors.decode(str(cursor), ctx.method, int)
    except InvalidCursor as error:
        raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
    return int(first)


def _page(method: str, result: dict[str, Any], first: int) -> dict[str, Any]:
    items, end = result[LISTS[method]], first + PAGE
    page = {**result, LISTS[method]: items[first:end]}
    return page | {"nextCursor": cursors.encode(method, [end])} if len(items) > end else page
