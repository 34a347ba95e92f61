"""What a client is offered: the tools as `tools/list` has them, and the server's instructions."""

from dataclasses import dataclass

from mcp.client import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.types import ListToolsResult, Tool

from mcp_rag.rag import Rag
from mcp_rag.server import create_server


@dataclass(frozen=True)
class Offer:
    listed: ListToolsResult
    instructions: str

    @property
    def tools(self) -> list[Tool]:
        return self.listed.tools

    @property
    def payload(self) -> str:
        """The answer to `tools/list` as it goes over the wire."""
        result = self.listed.model_dump_json(by_alias=True, exclude_none=True)
        return f'{{"jsonrpc":"2.0","id":1,"result":{result}}}'


async def current() -> Offer:
    """The most that any client is offered, asked of the product's server: no store is needed, no model."""
    views = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})
    async with Client(create_server(_no_store), extensions=[views]) as client:
        return Offer(await client.list_tools(), client.instructions or "")


async def _no_store() -> Rag:
    raise AssertionError("Listing needs no store.")
