"""Calls in which a client is asked something, behind a proxy that sends each request to whichever server."""

from itertools import cycle

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CreateMessageRequestParams, CreateMessageResult, TextContent

from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.conftest import Borrowed
from tests.http.running import running


class EachInTurn(httpx2.AsyncHTTPTransport):
    """Sends requests to servers in turn, as a proxy does that knows of no sessions."""

    def __init__(self, *urls: str) -> None:
        super().__init__()
        self._ports = cycle(httpx2.URL(url).port for url in urls)
        self.asked = set[int | None]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self._ports))
        self.asked.add(request.url.port)
        return await super().handle_async_request(request)


async def test_one_server_goes_on_with_a_call_in_which_another_has_asked_the_client_for_its_model(
    store: Store, database_url: str, embedder: Embedder
) -> None:
    other = Database(url=database_url)
    await other.open()
    rags = [Rag(each, Borrowed(embedder), asks_the_client=True) for each in (store, Store(other))]
    await rags[0].ingest("zoo", [NewMessage(text="The walrus eats clams at noon.")])
    read: list[str] = []

    async def lent(_: object, params: CreateMessageRequestParams) -> CreateMessageResult:
        read.append(params.messages[0].content.text)
        text = 'At noon. [1: "eats clams at noon"]'
        return CreateMessageResult(
            role="assistant", content=TextContent(type="text", text=text), model="lent"
        )

    async with running(rags[0], store.database) as one, running(rags[1], other) as two:
        turns = EachInTurn(one, two)
        async with (
            httpx2.AsyncClient(transport=turns, timeout=60) as http,
            Client(
                streamable_http_client(f"{one}/mcp", http_client=http),
                mode="2026-07-28",
                sampling_callback=lent,
            ) as client,
        ):
            for _ in range(2):
                reply = await client.call_tool("ask", {"question": "When does the walrus eat clams?"})
                assert not reply.is_error, reply.content
                assert reply.structured_content["account"]["provider"] == "sampling"
    assert len(read) == 2
    assert len(turns.asked) == 2
    for rag in rags:
        await rag.vectors.close()
    await other.close()
