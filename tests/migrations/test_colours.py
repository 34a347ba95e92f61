"""Two versions on one database: the one before this, its own code in processes of its own, and this one."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import asyncpg
import httpx2
import pytest

from mcp_rag.postgres import schema
from tests import inspection
from tests.cli.command import PATIENCE, Command
from tests.conftest import eventually
from tests.http.process import Service
from tests.migrations.history import ROOT, NoHistory, Version, previous
from tests.migrations.revisions import observed

pytestmark = pytest.mark.slow
Settings = dict[str, str]
WAITING = (
    "SELECT count(*) FROM passage LEFT JOIN embedding USING (tenant_id, passage_key) WHERE vector IS NULL"
)
FOUND = "import mcp_rag; print(mcp_rag.__file__)"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Version:
    try:
        return previous(tmp_path_factory.mktemp("earlier"))
    except NoHistory as reason:
        pytest.skip(f"The version before this one is not there to be tried: {reason}")


@pytest.fixture
def settings(new_url: str) -> Settings:
    """Of both versions."""
    return {"MCP_RAG_DATABASE_URL": new_url}


@pytest.fixture
def old(earlier: Version, settings: Settings, tmp_path: Path) -> Command:
    """The command line of the version before, on a database that it has made."""
    command = Command(tmp_path, PYTHONPATH=str(earlier.root), **settings)
    command("migrate")
    return command


@pytest.fixture
def new(settings: Settings, tmp_path: Path) -> Command:
    return Command(tmp_path, **settings)


class Colour:
    """A server of either version."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def ingest(self, name: str, text: str) -> None:
        await self._call("POST", "/ingest", {"conversation_id": name, "content": text})

    async def texts(self, words: str) -> list[str]:
        found = await self._call("POST", "/search", {"query": words})
        return [hit["text"] for hit in found.json()["results"]]

    async def answer(self, question: str) -> str:
        return str((await self._call("POST", "/ask", {"question": question})).json()["text"])

    async def messages(self, name: str) -> list[str]:
        found = await self._call("GET", f"/conversations/{name}/messages")
        return [message["text"] for message in found.json()["messages"]]

    async def forget(self, name: str) -> None:
        await self._call("DELETE", f"/conversations/{name}")

    async def _call(self, method: str, path: str, body: object = None) -> httpx2.Response:
        answer = await self._client.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer


@asynccontextmanager
async def serving(home: Path, settings: Settings, root: Path) -> AsyncIterator[Colour]:
    others = {"PYTHONPATH": str(root), **settings}
    url = others.pop("MCP_RAG_DATABASE_URL")
    async with (
        Service(home, url, "--no-embed", **others) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=60) as client,
    ):
        yield Colour(client)


async def test_it_serves_while_its_database_is_migrated_and_beside_the_version_that_did(
    earlier: Version, old: Command, settings: Settings, tmp_path: Path
) -> None:
    url = settings["MCP_RAG_DATABASE_URL"]
    assert (await schema.state(url) or schema.State("none")).revision == earlier.revision
    async with (
        observed(url) as observer,
        serving(tmp_path, settings, earlier.root) as blue,
        at_work(old) as worker,
    ):
        await blue.ingest("first", "The ferry leaves from the north pier.")
        await eventually(nothing_waits(observer), within=PATIENCE)
        migrating = asyncio.create_task(schema.migrate(url))
        await asyncio.gather(migrating, *(busy(blue, name, migrating) for name in ("one", "two")))
        assert await schema.state(url) == schema.State(schema.REVISION)

        async with serving(tmp_path, settings, ROOT) as green:
            assert "The ferry leaves from the north pier." in await green.texts("ferry")
            for writer, name in ((blue, "blue"), (green, "green")):
                await writer.ingest(name, f"The {name} lantern hangs in the chapel.")
                for reader in (blue, green):
                    await see(reader, name)
            await eventually(nothing_waits(observer), within=PATIENCE)
            worker.terminate()
            assert await asyncio.to_thread(worker.wait, PATIENCE) == 0
            await blue.forget("green")
            await green.forget("blue")
            assert await inspection.places(observer, "lantern") == []
            assert await inspection.statistics(observer) == await inspection.recount(observer)


async def busy(colour: Colour, name: str, while_this: asyncio.Task[None]) -> None:
    """Reads and writes, as callers do, and at least once."""
    for turn in count():
        await colour.ingest(f"{name}-{turn}", f"The harbour master counted {turn} boats.")
        assert await colour.texts("harbour master")
        await colour.forget(f"{name}-{turn}")
        if while_this.done():
            return


async def see(reader: Colour, name: str) -> None:
    text = f"The {name} lantern hangs in the chapel."
    assert await reader.messages(name) == [text]
    assert text in await reader.texts(f"{name} lantern")
    assert "chapel" in await reader.answer(f"Where does the {name} lantern hang?")


@asynccontextmanager
async def at_work(command: Command) -> AsyncIterator["subprocess.Popen[bytes]"]:
    worker = command.start("worker", log=command.home / "worker.log")
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def nothing_waits(observer: asyncpg.Connection) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return bool(await observer.fetchval(WAITING) == 0)

    return asked


async def test_it_starts_on_the_later_schema_and_each_reads_and_erases_what_the_other_has_stored(
    earlier: Version, old: Command, new: Command, settings: Settings, tmp_path: Path
) -> None:
    new("migrate")
    if not earlier.goes_on:
        # Revision 0008 is the first whose versions go on with later ones. Whoever has one of 0007 is told.
        assert "this version needs 0007" in old("search", "anything", code=3).err
        return
    for writer, reader, name in ((old, new, "old"), (new, old, "new")):
        (tmp_path / f"{name}.md").write_text(f"The {name} lantern hangs in the chapel.", encoding="utf-8")
        writer("ingest", f"{name}.md", "--conversation-id", name, "--no-wait", cwd=tmp_path)
        reader("worker", "--once")
        assert json.loads(reader("status", "--json").out)["pending"] == 0
        assert name in reader("search", f"{name} lantern").out
        assert "chapel" in reader("ask", f"Where does the {name} lantern hang?").out
        reader("forget", name, "--yes")
    async with observed(settings["MCP_RAG_DATABASE_URL"]) as observer:
        assert await inspection.places(observer, "lantern") == []
        assert await inspection.statistics(observer) == await inspection.recount(observer)


def test_what_runs_is_the_code_of_the_version_before(earlier: Version, old: Command) -> None:
    """And not this one, whatever is installed."""
    found = subprocess.run(
        [sys.executable, "-c", FOUND], env=old.environment, cwd=old.home, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()).is_relative_to(earlier.root), found.stderr
