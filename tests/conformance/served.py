"""`mcp-rag`, its offer enlarged by what the conformance suite expects by name: `python -m … serve`.

Nothing in the product knows of it: the fixtures are tools in the product's own catalogue, called by its own
door, and resources and prompts on the server that its own factory made.

In three things what is seen here is not the product: the SDK's own `subscriptions/listen`, an event store and
the SDK's capabilities stand in for what it has. What the product itself does there is covered by the suite's
run without fixtures, and by tests/mcp/test_news.py.
"""

import warnings
from functools import partial
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import JSONRPCMessage, SubscriptionsListenRequestParams

from mcp_rag import __main__, serving, tools
from mcp_rag.resources import CurrentRag
from mcp_rag.server import create_server
from mcp_rag.tools.door import RagTool, offer
from tests.conformance import contents, rounds

RETRY = 100
"""Milliseconds after which a client whose stream was closed comes back."""


class Events(EventStore):
    """What was said on streams, for clients that come back."""

    def __init__(self) -> None:
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        last = int(last_event_id)
        stream, _ = self._events[last - 1]
        for number, (of, message) in enumerate(self._events[last:], last + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def mount() -> None:
    """Let everything that is served from now on have the fixtures."""
    tools.TOOLS += [_tool(each) for each in (*contents.TOOLS, *rounds.TOOLS)]
    serving.create_server = _create_server


def _tool(function: Any) -> RagTool:
    tool = offer(function, title=function.__name__, annotations=tools.READS, scope="read")
    if function is contents.json_schema_2020_12_tool:
        return tool.model_copy(update={"parameters": contents.KEYWORDS})
    return tool


def _create_server(rag: CurrentRag, *others: Any) -> MCPServer[CurrentRag]:
    server = create_server(rag, *others)
    for uri, read in contents.RESOURCES.items():
        server.resource(uri)(read)
    for prompt in (*contents.PROMPTS, *rounds.PROMPTS):
        server.prompt()(prompt)
    _serve_what_the_product_does_not(server)
    return server


def _serve_what_the_product_does_not(server: MCPServer[Any]) -> None:
    """News of tools and prompts, streams that can be taken up again."""
    listen = ListenHandler(server._subscriptions)
    # MCPServer has no public way to serve it; the SDK's migration guide names this.
    server._lowlevel_server.add_request_handler(
        "subscriptions/listen", SubscriptionsListenRequestParams, listen
    )
    # What the product says of its news; here there are those of tools and prompts too.
    del server._lowlevel_server.get_capabilities
    resumable = partial(server.streamable_http_app, event_store=Events(), retry_interval=RETRY)
    server.streamable_http_app = resumable  # type: ignore[method-assign]


if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    mount()
    __main__.main()
