"""News of conversations, as clients of both eras of the protocol ask for them."""

import asyncio
from contextlib import suppress
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import event_to_notification
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    NotificationParams,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from mcp_rag.errors import InvalidInput, RagError
from mcp_rag.identity import may
from mcp_rag.models import SCHEME, Address
from mcp_rag.rag import Rag
from mcp_rag.resources.conversations import CurrentRag, refused
from mcp_rag.resources.news import Event, Listener, News

MOST_ADDRESSES = 1_000
"""That one client can listen to."""
MOST_STREAMS = 1_024
"""On which a client of the newer era can listen, in one process."""
LISTENER = "mcp_rag.listener"
"""Where a session of the older era keeps its listener."""

Ctx = ServerRequestContext[Any, Any]


def register(server: MCPServer[Any], rag: CurrentRag, news: News) -> None:
    """Offer what clients listen by, and promise it; `rag` is the service of who calls."""
    lowlevel = server._lowlevel_server
    _offer_streams(lowlevel, rag, news)
    _offer_sessions(lowlevel, rag, news)
    _promise(lowlevel)


def _offer_streams(lowlevel: Server[Any], rag: CurrentRag, news: News) -> None:
    """Since 2026-07-28: a call whose answer is a stream of what was asked for in it.

    The SDK's own would promise what never comes, and keeps each event until it is read.
    """
    open_streams = 0

    async def listen(ctx: Ctx, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        nonlocal open_streams
        wanted = params.notifications
        uris = list(dict.fromkeys(wanted.resource_subscriptions or ()))
        _bound(len(uris))
        if open_streams >= MOST_STREAMS:
            raise MCPError(code=INTERNAL_ERROR, message="Too many listen here already.")
        service = await _service(rag)
        marks = {uri: mark for uri in uris if (mark := _mark(service, uri))}
        open_streams += 1
        try:
            with news.listener(lists=bool(wanted.resources_list_changed)) as listener:
                for uri, mark in marks.items():
                    listener.want(uri, mark)
                return await _stream(ctx, news, listener, honoured=_honoured(wanted, list(marks)))
        finally:
            open_streams -= 1

    lowlevel.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)


def _honoured(wanted: SubscriptionFilter, uris: list[str]) -> SubscriptionFilter:
    """Tools and prompts are what they are as long as the process lives."""
    return SubscriptionFilter(
        resources_list_changed=True if wanted.resources_list_changed else None,
        resource_subscriptions=uris or None,
    )


async def _stream(
    ctx: Ctx, news: News, listener: Listener, *, honoured: SubscriptionFilter
) -> SubscriptionsListenResult:
    meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
    params = SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
    accepted = SubscriptionsAcknowledgedNotification(params=params)
    await ctx.session.send_notification(accepted, related_request_id=ctx.request_id)
    async for event in news.told(listener):
        told = event_to_notification(event, meta)
        await ctx.session.send_notification(told, related_request_id=ctx.request_id)
    return SubscriptionsListenResult(_meta=meta)


def _offer_sessions(lowlevel: Server[Any], rag: CurrentRag, news: News) -> None:
    """Before: each session hears of the list, and of what it subscribes to."""

    async def begun(ctx: Ctx, params: NotificationParams) -> None:
        if may("read"):
            _listener(_connection(ctx), news)

    async def subscribe(ctx: Ctx, params: SubscribeRequestParams) -> EmptyResult:
        service = await _service(rag)
        listener = _listener(_connection(ctx), news)
        _bound(listener.addresses + 1)
        if mark := _mark(service, params.uri):
            listener.want(params.uri, mark)
        return EmptyResult()

    async def unsubscribe(ctx: Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        if listener := _connection(ctx).state.get(LISTENER):
            listener.unwant(params.uri)
        return EmptyResult()

    lowlevel.add_notification_handler("notifications/initialized", NotificationParams, begun)
    lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


def _connection(ctx: Ctx) -> Connection:
    """What lasts as long as the session; the SDK gives handlers no other way to it."""
    return ctx.session._connection


def _listener(connection: Connection, news: News) -> Listener:
    """The session's, made when it is first asked for and gone when the session ends."""
    if LISTENER not in connection.state:
        listener = connection.exit_stack.enter_context(news.listener(lists=True))
        telling = asyncio.create_task(_tell(connection, news, listener))
        connection.exit_stack.callback(telling.cancel)
        connection.state[LISTENER] = listener
    found: Listener = connection.state[LISTENER]
    return found


async def _tell(connection: Connection, news: News, listener: Listener) -> None:
    async for event in news.told(listener):
        await connection.notify(*_notification(event))


def _notification(event: Event) -> tuple[str, dict[str, Any] | None]:
    if isinstance(event, ResourceUpdated):
        return "notifications/resources/updated", {"uri": event.uri}
    return "notifications/resources/list_changed", None


async def _service(rag: CurrentRag) -> Rag:
    try:
        return await rag()
    except RagError as error:
        raise refused(error) from error


def _mark(service: Rag, uri: str) -> str | None:
    """None where nothing is ever told of the address, as of one that is no conversation's."""
    if not uri.startswith(SCHEME):
        return None
    with suppress(InvalidInput):
        return service.mark(Address.parse(uri).conversation_id)
    return None


def _bound(addresses: int) -> None:
    if addresses > MOST_ADDRESSES:
        reason = f"One client can listen to {MOST_ADDRESSES:,} addresses. The list tells of all."
        raise MCPError(code=INVALID_PARAMS, message=reason)


def _promise(lowlevel: Server[Any]) -> None:
    """The SDK promises news of everything in one era, of no list in the other."""
    usual = lowlevel.get_capabilities

    def honest(*args: Any, **options: Any) -> ServerCapabilities:
        promised = usual(*args, **options)
        for kind in (promised.tools, promised.prompts):
            if kind is not None:
                kind.list_changed = False
        if promised.resources is not None:
            promised.resources.subscribe = promised.resources.list_changed = True
        return promised

    lowlevel.get_capabilities = honest  # type: ignore[method-assign]  # there is no other way to say it
