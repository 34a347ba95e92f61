"""What clients of both eras hear of changes, whichever process makes them, and that nobody hears too much."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from mcp_rag.models import NewMessage
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from mcp_rag.rag import Rag
from mcp_rag.resources import News, subscriptions
from mcp_rag.resources import news as news_of_clients
from mcp_rag.server import create_server
from tests.conftest import eventually
from tests.http.running import caller, running, token
from tests.http.test_leaving import ACCEPT, META, ask
from tests.http.test_leaving import MODERN as MODERN_LISTEN
from tests.resident.household import SECONDS, Household
from tests.serve_process import MCP_RAG, Serving, pipe

MODERN = "2026-07-28"
each_era = pytest.mark.parametrize("era", ["legacy", MODERN])
LIST = "the list"
TRIP, FIRST, OTHER = "conversation://trip", "conversation://trip/messages/0", "conversation://other"
LAST = "conversation://last"
LISTENING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)
ELSEWHERE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"


class Ear:
    """What a client has heard: the list, or the address of a resource."""

    def __init__(self, client: Client) -> None:
        self._client, self.heard = client, list[str]()

    async def subscribe(self, uri: str) -> None:
        params = types.SubscribeRequestParams(uri=uri)
        await self._client.session.send_request(types.SubscribeRequest(params=params), types.EmptyResult)

    async def unsubscribe(self, uri: str) -> None:
        params = types.UnsubscribeRequestParams(uri=uri)
        await self._client.session.send_request(types.UnsubscribeRequest(params=params), types.EmptyResult)

    async def hears(self, *wanted: str) -> None:
        """Wait until it has heard these, and forget what it has heard."""
        await eventually(lambda: asyncio.sleep(0, set(wanted) <= set(self.heard)), within=SECONDS)
        self.heard.clear()


@asynccontextmanager
async def listening(server: Any, era: str, *uris: str, first: bool = False) -> AsyncIterator[Ear]:
    """A client that hears of the list and of these resources, as clients of its era do.

    The `first` of a process is told when all is heard; it has been, here.
    """
    ear: Ear

    async def told(message: Any) -> None:
        if isinstance(message, types.ResourceListChangedNotification):
            ear.heard.append(LIST)
        elif isinstance(message, types.ResourceUpdatedNotification):
            ear.heard.append(str(message.params.uri))

    async with AsyncExitStack() as stack:
        handler = {"message_handler": told} if era == "legacy" else {}
        client = Client(server, mode=era, read_timeout_seconds=SECONDS, **handler)
        ear = Ear(client)
        await stack.enter_async_context(client)
        if era == "legacy":
            if first:
                await ear.hears(LIST)
            for uri in uris:
                await ear.subscribe(uri)
        else:
            wanted = client.listen(resources_list_changed=True, resource_subscriptions=uris)
            stream = await stack.enter_async_context(wanted)
            hearing = asyncio.create_task(_hear(stream, ear.heard))
            stack.callback(hearing.cancel)
            if first:
                await ear.hears(LIST, *uris)
        yield ear


async def _hear(stream: Any, heard: list[str]) -> None:
    async for event in stream:
        heard += [event.uri if isinstance(event, ResourceUpdated) else LIST]


def said(*texts: str) -> list[NewMessage]:
    return [NewMessage(text=text, message_id=str(n)) for n, text in enumerate(texts)]


@pytest.fixture
def news(rag: Rag) -> News:
    async def current() -> Rag:
        return rag

    return News(current, apart=0)


@pytest.fixture
def server(rag: Rag, news: News) -> MCPServer[Any]:
    async def current() -> Rag:
        return rag

    return create_server(current, news=news)


@each_era
async def test_who_begins_to_listen_is_told_from_when_on_all_is_heard(
    server: MCPServer[Any], era: str
) -> None:
    async with listening(server, era) as ear:
        await ear.hears(LIST)


@each_era
async def test_each_change_is_told_to_who_listens_to_what_has_changed(
    server: MCPServer[Any], rag: Rag, era: str
) -> None:
    await rag.ingest("other", said("a"))
    async with listening(server, era, TRIP, FIRST, OTHER, first=True) as ear:
        for change, told in (
            (rag.ingest("trip", said("a")), [LIST, TRIP, FIRST]),
            (rag.ingest("trip", said("a", "b")), [TRIP, FIRST]),
            (rag.ingest("trip", said("a, edited")), [TRIP, FIRST]),
            (rag.ingest("trip", said("a, edited"), title="Porto"), [LIST, TRIP, FIRST]),
            (rag.forget(conversation_ids=["trip"], position=1, dry_run=False), [TRIP, FIRST]),
            (rag.forget(conversation_ids=["trip"], dry_run=False), [LIST, TRIP, FIRST]),
            (rag.ingest("new", said("a")), [LIST]),
        ):
            await change
            # What comes after is heard after: nothing of the change is still to come when this is there.
            await rag.ingest("other", said(uuid.uuid4().hex))
            await eventually(lambda: asyncio.sleep(0, OTHER in ear.heard))
            heard = [each for each in ear.heard if each != OTHER]
            ear.heard.clear()
            assert set(heard) == set(told)


@each_era
async def test_the_list_has_not_changed_where_a_conversation_only_got_more(
    server: MCPServer[Any], rag: Rag, era: str
) -> None:
    await rag.ingest("trip", said("a"), title="Porto")
    async with listening(server, era, TRIP, OTHER, first=True) as ear:
        await rag.ingest("trip", said("a", "b"), title="Porto")
        await eventually(lambda: asyncio.sleep(0, bool(ear.heard)))
        assert ear.heard == [TRIP]


@each_era
async def test_what_changes_nothing_or_is_undone_is_not_told(
    server: MCPServer[Any], rag: Rag, store: Any, era: str
) -> None:
    await rag.ingest("trip", said("a"), title="Porto")
    async with listening(server, era, TRIP, OTHER, first=True) as ear:
        await rag.ingest("trip", said("a"), title="Porto")
        await rag.ingest("trip", said("a"), tags=["x"])
        await rag.forget(conversation_ids=["trip"], dry_run=True)
        with pytest.raises(ZeroDivisionError):
            async with store.transaction(rag.tenant_id) as tx:
                await tx.announce([rag.mark("trip")], listed=True)
                raise ZeroDivisionError
        await rag.ingest("other", said("a"))
        await eventually(lambda: asyncio.sleep(0, OTHER in ear.heard))
        assert ear.heard == [LIST, OTHER]


@each_era
async def test_many_changes_are_told_together(rag: Rag, era: str) -> None:
    async def current() -> Rag:
        return rag

    async with listening(
        create_server(current, news=News(current, apart=2)), era, "conversation://c39", first=True
    ) as ear:
        for n in range(40):
            await rag.ingest(f"c{n}", said("a"))
        await rag.ingest("last", said("a"))
        await eventually(lambda: asyncio.sleep(0, "conversation://c39" in ear.heard))
        assert len(ear.heard) < 20


@each_era
async def test_all_of_a_forget_that_is_too_long_for_one_saying_are_told(
    server: MCPServer[Any], rag: Rag, owner: asyncpg.Connection, era: str
) -> None:
    await rag.ingest("first", said("a"), source="bulk")
    await owner.execute(
        "INSERT INTO conversation (tenant_id, conversation_id, kind, source) "
        "SELECT 1, 'c' || n, 'chat', 'bulk' FROM generate_series(1, 1000) AS n"
    )
    wanted = [f"conversation://c{n}" for n in range(1, 1001, 111)]
    async with listening(server, era, *wanted, first=True) as ear:
        erased = await rag.forget(source="bulk", dry_run=False)
        assert len(erased.conversation_ids) == 1001
        await ear.hears(LIST, *wanted)


async def test_what_is_unsubscribed_is_not_told_any_more(server: MCPServer[Any], rag: Rag) -> None:
    async with listening(server, "legacy", TRIP, OTHER, first=True) as ear:
        await ear.unsubscribe(TRIP)
        await ear.unsubscribe("conversation://never")
        await rag.ingest("trip", said("a"))
        await rag.ingest("other", said("a"))
        await eventually(lambda: asyncio.sleep(0, OTHER in ear.heard))
        assert TRIP not in ear.heard


@each_era
async def test_nobody_is_kept_in_mind_who_has_gone(
    server: MCPServer[Any], news: News, owner: asyncpg.Connection, era: str
) -> None:
    assert (news.listeners, await owner.fetchval(LISTENING)) == (0, 0)
    tasks = asyncio.all_tasks()
    async with listening(server, era, TRIP, first=True):
        async with listening(server, era, TRIP):
            assert news.listeners == 2
            assert await owner.fetchval(LISTENING) == 1
        await eventually(lambda: asyncio.sleep(0, news.listeners == 1))
    await eventually(lambda: asyncio.sleep(0, news.listeners == 0))

    async def nobody_listens() -> bool:
        return bool(await owner.fetchval(LISTENING) == 0)

    await eventually(nobody_listens)
    await eventually(lambda: asyncio.sleep(0, asyncio.all_tasks() <= tasks))


@each_era
async def test_after_the_loss_of_the_connection_all_is_told_that_may_have_been_missed(
    server: MCPServer[Any], rag: Rag, owner: asyncpg.Connection, era: str
) -> None:
    async with listening(server, era, TRIP, first=True) as ear:
        await owner.execute(ELSEWHERE + " AND datname = current_database()")
        await ear.hears(LIST, TRIP)
        await rag.ingest("trip", said("a"))
        await ear.hears(LIST, TRIP)


async def test_one_connection_serves_who_embeds_and_who_listens(
    server: MCPServer[Any], rag: Rag, owner: asyncpg.Connection
) -> None:
    working = asyncio.create_task(rag._store.listen(lambda _: None))
    try:
        async with listening(server, MODERN, TRIP) as ear:
            await ear.hears(LIST, TRIP)
            assert await owner.fetchval(LISTENING) == 1
        await eventually(lambda: asyncio.sleep(0, not working.done()))
        assert await owner.fetchval(LISTENING) == 1
    finally:
        working.cancel()


async def test_what_is_never_told_is_not_acknowledged(server: MCPServer[Any]) -> None:
    async with (
        Client(server, mode=MODERN) as client,
        client.listen(
            tools_list_changed=True,
            prompts_list_changed=True,
            resources_list_changed=True,
            resource_subscriptions=[TRIP, "test://watched", "conversation://%20/messages/x"],
        ) as stream,
    ):
        assert stream.honored.model_dump(exclude_none=True) == {
            "resources_list_changed": True,
            "resource_subscriptions": [TRIP],
        }


async def test_who_did_not_ask_for_the_list_is_not_told_of_it(rag: Rag, database: Database) -> None:
    wanted = {"notifications": {"resourceSubscriptions": [TRIP]}, "_meta": META}
    # On the wire: the SDK's client would keep to itself what it has not asked for.
    async with (
        running(rag, database) as url,
        caller(url, ACCEPT | MODERN_LISTEN) as http,
        http.stream("POST", "/mcp", json=ask("subscriptions/listen", **wanted)) as stream,
    ):
        heard = ""
        async for text in stream.aiter_text():
            heard += text
            if "resources/updated" in heard:
                break
            await rag.ingest("trip", said(uuid.uuid4().hex))
    assert TRIP in heard and "list_changed" not in heard


async def test_one_client_listens_to_so_much_and_no_more(
    server: MCPServer[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MOST_ADDRESSES", 2)
    async with Client(server, mode=MODERN) as client:
        with pytest.raises(MCPError, match="can listen to 2 addresses"):
            async with client.listen(resource_subscriptions=[TRIP, FIRST, OTHER]):
                pass
    async with listening(server, "legacy", TRIP, FIRST) as ear:
        with pytest.raises(MCPError, match="can listen to 2 addresses"):
            await ear.subscribe(OTHER)


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_the_news_that_are_sent_are_promised_and_no_others(server: MCPServer[Any], era: str) -> None:
    async with Client(server, mode=era) as client:
        promised = client.server_capabilities
    assert promised.tools and promised.resources and promised.prompts and promised.completions
    assert promised.resources.subscribe and promised.resources.list_changed
    assert not (promised.tools.list_changed or promised.prompts.list_changed)


# Over HTTP, with tenants


Door = Callable[[str, dict[str, str]], Any]


@asynccontextmanager
async def over_http(url: str, headers: dict[str, str]) -> AsyncIterator[Any]:
    async with (
        caller(url, headers) as http,
        streamable_http_client(f"{url}/mcp", http_client=http) as streams,
    ):
        yield streams


def over_sse(url: str, headers: dict[str, str]) -> Any:
    return sse_client(f"{url}/sse", headers=headers)


each_door = pytest.mark.parametrize("door", [over_http, over_sse])


@each_era
@each_door
async def test_nothing_is_told_of_another_tenant(rag: Rag, database: Database, era: str, door: Door) -> None:
    one, two = await token(database, "one"), await token(database, "two")
    async with running(rag, database) as url, caller(url, one) as theirs, caller(url, two) as others:

        async def store(http: httpx2.AsyncClient, name: str) -> None:
            body = {"conversation_id": name, "messages": [{"text": uuid.uuid4().hex}]}
            assert (await http.post("/ingest", json=body)).is_success

        for name in ("trip", "other", "last"):
            await store(theirs, name)
        async with (
            listening(door(url, one), era, TRIP, LAST, OTHER) as ear,
            listening(door(url, two), era, TRIP, OTHER) as second,
        ):

            async def store_until_both_hear() -> bool:
                await store(theirs, "other")
                await store(others, "other")
                return OTHER in ear.heard and OTHER in second.heard

            # A stream of the older era is open at some time after its session.
            await eventually(store_until_both_hear)
            ear.heard.clear()
            for n in range(5):
                await store(others, "trip")
                await store(others, f"new {n}")
            await second.hears(TRIP, LIST)
            # What is told of the other tenant would be told before this, or with it.
            await store(theirs, "last")
            await eventually(lambda: asyncio.sleep(0, LAST in ear.heard))
            assert not {TRIP, LIST} & set(ear.heard)


@each_era
@each_door
async def test_a_client_that_went_leaves_nothing_behind(
    rag: Rag, database: Database, owner: asyncpg.Connection, era: str, door: Door
) -> None:
    async def so_many(connections: int) -> bool:
        return bool(await owner.fetchval(LISTENING) == connections)

    async with running(rag, database) as url:
        async with listening(door(url, {}), era, TRIP):
            await eventually(partial(so_many, 1))
        await eventually(partial(so_many, 0))


async def hears_of_the_other(rag: Rag, *ears: Ear) -> None:
    """Wait until each hears all that there is to hear."""

    async def stored() -> bool:
        await rag.ingest("other", said(uuid.uuid4().hex))
        return all(OTHER in ear.heard for ear in ears)

    await eventually(stored)


async def hears_of_the_last(rag: Rag, ear: Ear) -> None:
    """Wait until it has heard twice of one conversation, and anybody else as often who may."""
    for _ in range(2):
        ear.heard.clear()

        async def stored() -> bool:
            await rag.ingest("last", said(uuid.uuid4().hex))
            return LAST in ear.heard

        await eventually(stored)


@each_era
async def test_who_may_no_longer_come_in_hears_nothing(
    rag: Rag, database: Database, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.setattr(news_of_clients, "KNOWN_FOR", 0)
    kept, lost = await token(database, name="kept"), await token(database, name="lost")
    async with (
        running(rag, database) as url,
        listening(over_http(url, kept), era, LAST, OTHER) as other,
        listening(over_http(url, lost), era, LAST, OTHER) as ear,
    ):
        await hears_of_the_other(rag, ear, other)
        await Identities(database).revoke("default", "lost")
        ear.heard.clear()
        await hears_of_the_last(rag, other)
        assert LAST not in ear.heard


@each_era
async def test_who_came_without_a_token_hears_nothing_once_there_are_tokens(
    rag: Rag, database: Database, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.setattr(news_of_clients, "KNOWN_FOR", 0)
    async with running(rag, database) as url, listening(over_http(url, {}), era, LAST, OTHER) as ear:
        await hears_of_the_other(rag, ear)
        kept = await token(database)
        ear.heard.clear()
        async with listening(over_http(url, kept), era, LAST) as other:
            await hears_of_the_last(rag, other)
        assert LAST not in ear.heard


async def test_who_may_not_read_hears_nothing(rag: Rag, database: Database) -> None:
    writes, reads = await token(database, "default", "write"), await token(database, "default", "read")
    async with running(rag, database) as url:
        async with Client(over_http(url, writes), mode=MODERN) as client:
            with pytest.raises(MCPError, match="needs the scope 'read'"):
                async with client.listen(resources_list_changed=True):
                    pass
        async with listening(over_http(url, writes), "legacy") as ear:
            with pytest.raises(MCPError, match="needs the scope 'read'"):
                await ear.subscribe(TRIP)
            async with listening(over_http(url, reads), MODERN, TRIP) as other:
                await other.hears(TRIP)
                await rag.ingest("trip", said("a"))
                await other.hears(TRIP)
            assert ear.heard == []


# Whichever process


@pytest.fixture(scope="module")
def replicas(shared_url: str) -> Iterator[tuple[Serving, Serving]]:
    """Two servers on one database, of which one embeds nothing."""
    with (
        Serving(MCP_RAG_DATABASE_URL=shared_url) as one,
        Serving(MCP_RAG_DATABASE_URL=shared_url, MCP_RAG_EMBED="0") as two,
    ):
        yield one, two


@each_era
@pytest.mark.parametrize("transport", ["stdio", "sse", "streamable-http"])
async def test_a_change_is_heard_of_whichever_process_has_made_it(
    replicas: tuple[Serving, Serving], settled: Household, transport: str, era: str
) -> None:
    mine, other = replicas
    name = f"{transport} {era}"
    uri = f"conversation://{transport}%20{era}"
    connection = pipe(settled) if transport == "stdio" else mine.connect(transport)

    async with listening(connection, era, uri) as ear, httpx2.AsyncClient(timeout=SECONDS) as http:

        async def stores_over_rest() -> bool:
            body = {"conversation_id": name, "messages": [{"text": uuid.uuid4().hex}]}
            assert (await http.post(other.url("ingest"), json=body)).is_success
            return {LIST, uri} <= set(ear.heard)

        await eventually(stores_over_rest, within=SECONDS)
        ear.heard.clear()

        async with Client(other.connect("streamable-http"), mode=MODERN) as client:
            arguments = {"conversation_id": name, "messages": [{"text": "over MCP"}]}
            assert not (await client.call_tool("ingest", arguments)).is_error
        await ear.hears(uri)

        async with Client(pipe(settled), mode="legacy", read_timeout_seconds=SECONDS) as client:
            arguments = {"conversation_id": name, "messages": [{"text": "by the resident"}]}
            assert not (await client.call_tool("ingest", arguments)).is_error
        await ear.hears(uri)

        command = [*MCP_RAG, "forget", name, "--yes"]
        forgetting = await asyncio.create_subprocess_exec(
            *command,
            env=settled.environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await forgetting.wait() == 0
        await ear.hears(LIST, uri)
