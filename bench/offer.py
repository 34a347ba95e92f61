"""What a client is offered: the tools as `tools/list` has them, and the server's instructions."""

from dataclasses import dataclass

from mcp.client import Client
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
        """`tools/list` as it goes over the wire."""
        return self.listed.model_dump_json(by_alias=True, exclude_none=True)


async def current() -> Offer:
    """The whole offer, asked of the product's server over MCP. Listing needs no store and no model."""
    async with Client(create_server(_no_store)) as client:
        return Offer(await client.list_tools(), client.instructions or "")


async def _no_store() -> Rag:
    raise AssertionError("Listing needs no store.")
