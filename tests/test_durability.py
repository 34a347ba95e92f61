import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from mcp_rag.errors import StoreUnavailable
from mcp_rag.models import Address, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests import inspection
from tests.conftest import Borrowed, Door, eventually
from tests.store_process import StoreProcess

WITHOUT = (
    "SELECT count(*) FROM passage LEFT JOIN embedding USING (tenant_id, passage_key) WHERE vector IS NULL"
)
LOCKED = "SELECT count(*) FROM pg_locks WHERE relation = 'passage'::regclass AND mode = 'RowShareLock'"
GONE = "The database cannot be reached"
PATIENCE = 30


async def test_what_a_killed_process_had_confirmed_is_there_and_the_next_start_embeds_it(
    database_url: str, rag: Rag, store: Store, embedder: Embedder, owner: asyncpg.Connection
) -> None:
    texts = ["We watched Jupiter and its moons.", "The soup needs more salt."]
    with StoreProcess(database_url, "ingest", "diary", json.dumps(texts)) as process:
        receipt = process.line()
        process.kill()
    assert (receipt["added"], receipt["pending"]) == (2, 2)
    assert await inspection.texts(owner, "diary") == texts
    assert (await rag.search("soup")).results[0].text == texts[1]
    assert await owner.fetchval(WITHOUT) == 2

    restarted = Rag(store, Borrowed(embedder))
    restarted.vectors.start()
    await eventually(lambda: owner.fetchval(f"SELECT ({WITHOUT}) = 0"))
    assert (await restarted.search("looking at planets")).results[0].text == texts[0]
    await restarted.vectors.close()


async def test_a_process_killed_in_the_middle_of_embedding_leaves_the_rest_to_the_next(
    database_url: str, rag: Rag, owner: asyncpg.Connection
) -> None:
    await rag.ingest("long", [NewMessage(text=f"Entry {n} of the long logbook.") for n in range(500)])
    with StoreProcess(database_url, "drain") as process:
        assert process.line() == 64
        process.kill()
    left = await owner.fetchval(WITHOUT)
    assert 0 < left <= 500 - 64
    await eventually(lambda: owner.fetchval(f"SELECT ({LOCKED}) = 0"))
    assert await rag.vectors.drain() == left
    assert await owner.fetchval(WITHOUT) == 0
    assert await owner.fetchval("SELECT count(*) FROM embedding") == 500
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_a_process_killed_in_the_middle_of_an_ingest_leaves_nothing_half_written(
    database_url: str, rag: Rag, owner: asyncpg.Connection
) -> None:
    await rag.ingest("diary", [NewMessage(text="The first day.")])
    before = await inspection.statistics(owner)
    async with owner.transaction():
        await owner.execute("SELECT FROM conversation FOR UPDATE")
        with StoreProcess(database_url, "ingest", "diary", json.dumps(["The second day."])) as process:
            await eventually(lambda: owner.fetchval(f"SELECT ({inspection.WAITING}) > 0"))
            process.kill()
    assert await inspection.texts(owner, "diary") == ["The first day."]
    assert await inspection.statistics(owner) == before
    assert (await rag.ingest("diary", [NewMessage(text="The second day.")])).added == 1


@pytest.fixture
def server(tmp_path: Path) -> EmbeddedServer:
    """A Postgres server of the test's own."""
    server = EmbeddedServer(tmp_path)
    yield server
    server.destroy()


@pytest.fixture
async def fragile(server: EmbeddedServer, embedder: Embedder) -> AsyncIterator[Rag]:
    """The service on it, as on a server that others look after."""
    urls = await asyncio.to_thread(server.start)
    database = Database(url=urls.application, owner_url=urls.owner)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    rag.vectors.start(work=False)
    await rag.vectors.ready()
    yield rag
    await rag.vectors.close()
    await database.close()


async def test_a_database_that_is_gone_is_an_error_everywhere_and_its_return_needs_no_restart(
    fragile: Rag, server: EmbeddedServer
) -> None:
    await fragile.ingest("trip", [NewMessage(text="The tram to the harbour.")])
    await fragile.vectors.drain()
    await asyncio.to_thread(server.stop)

    async def current() -> Rag:
        return fragile

    door = Door(create_server(current))
    for tool, arguments in (
        ("search", {"query": "tram"}),
        ("ask", {"question": "Which tram?"}),
        ("fetch", {"id": "trip"}),
        ("list_conversations", {}),
        ("ingest", {"conversation_id": "trip", "content": "More."}),
        ("forget", {"conversation_ids": ["trip"]}),
    ):
        told = await door.refusal(tool, **arguments)
        assert told.startswith(GONE), told
        assert told.endswith("then try again; nothing was lost.")
    with pytest.raises(StoreUnavailable):
        await fragile.status()

    await asyncio.to_thread(server.start)
    assert (await door.result("search", query="tram"))["total"] == 1
    assert (await door.result("ingest", conversation_id="trip", content="More."))["added"] == 1
    assert await fragile.vectors.drain() == 1


async def test_an_embedded_server_that_was_killed_is_started_again_by_the_next_call(
    server: EmbeddedServer, embedder: Embedder
) -> None:
    database = Database(server=server)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    await rag.ingest("trip", [NewMessage(text="The tram to the harbour.")])
    (pid,) = (server.home / "data18/postmaster.pid").read_text().splitlines()[:1]
    postmaster = psutil.Process(int(pid))
    postmaster.send_signal(signal.SIGKILL)
    await asyncio.to_thread(postmaster.wait, PATIENCE)

    async def works() -> bool:
        try:
            return (await rag.fetch(Address(conversation_id="trip"))).messages[0].text.startswith("The tram")
        except StoreUnavailable:
            return False

    await eventually(works)
    assert (await rag.ingest("trip", [NewMessage(text="And back.")])).added == 1
    await rag.vectors.close()
    await database.close()
