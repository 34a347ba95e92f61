"""What the client's own model has written, over MCP's sampling: asked by the client, read here."""

from collections.abc import AsyncGenerator

from mcp_rag.answering.marked import Marked
from mcp_rag.models import Claim, Drafted, Spent, Wanted
from mcp_rag.ports import Brief


class Client:
    """The port `Answerer` over a text that is there already."""

    name = "sampling"

    def __init__(self, drafted: Drafted) -> None:
        self._drafted = drafted

    @property
    def model(self) -> str | None:
        return self._drafted.model

    async def write(self, brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        reading = Marked(brief)
        for item in (*reading.feed(self._drafted.text), *reading.end()):
            yield item

    async def close(self) -> None:
        """The connection is the client's."""
