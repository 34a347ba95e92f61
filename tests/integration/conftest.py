"""The suite as a process, and what it is told to test: the real service, and what stands before it."""

import asyncio
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from mcp_rag.identity import Scope
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from tests.conftest import create_database
from tests.http.process import Service

ROOT = Path(__file__).parents[2]
SECONDS = 60
TABLES = (
    "conversation",
    "message",
    "passage",
    "segment",
    "speaker_name",
    "idempotency_key",
    "embedding_failure",
)
SCOPES: tuple[Scope, ...] = ("read", "write", "erase")


class Done(NamedTuple):
    """How a run of the suite ended."""

    code: int
    out: str
    err: str


class Suite(NamedTuple):
    """`npm run test:integration`, as operators type it. A signal gets to all of it, as a terminal's does."""

    process: "subprocess.Popen[str]"

    @classmethod
    def started(cls, *arguments: str, **environment: str) -> "Suite":
        kept = {name: value for name, value in os.environ.items() if name not in ("API_TOKEN", "SERVICE_URL")}
        return cls(
            subprocess.Popen(
                ["npm", "run", "--silent", "test:integration", "--", *arguments],
                cwd=ROOT,
                env=kept | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )

    def until(self, words: str) -> str:
        """What it says until it has said this."""
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if words in line:
                return said
        raise AssertionError(said)

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> Done:
        out, err = self.process.communicate(timeout=SECONDS)
        print(out, err)
        return Done(self.process.returncode, out, err)


class Store(NamedTuple):
    """A database that servers of these tests share."""

    url: str

    def ask(self, question: str) -> list[asyncpg.Record]:
        async def asked() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetch(question)
            finally:
                await connection.close()

        return asyncio.run(asked())

    def kept(self) -> dict[str, int]:
        """How many rows there are of all that a caller has put there."""
        return {table: int(self.ask(f"SELECT count(*) FROM {table}")[0][0]) for table in TABLES}

    def token(self, *scopes: Scope, tenant: str = "default") -> str:
        async def made() -> str:
            database = Database(url=self.url)
            await database.open()
            try:
                identities, until = Identities(database), datetime(2100, 1, 1, tzinfo=UTC)
                name = f"tests-{uuid.uuid4().hex}"
                return (await identities.create_token(tenant, name, frozenset(scopes), until)).text
            finally:
                await database.close()

        return asyncio.run(made())


@pytest.fixture(scope="session")
def store(postgres: str) -> Store:
    return Store(asyncio.run(create_database(postgres, f"integration_{uuid.uuid4().hex[:12]}")))


@pytest.fixture(scope="session")
def token(store: Store) -> str:
    """One that may do all that the suite does."""
    return store.token(*SCOPES)


def _serving(home: Path, store: Store, *arguments: str) -> Iterator[str]:
    service = Service(home, store.url, *arguments)
    try:
        asyncio.run(service.__aenter__())
        yield service.url
    finally:
        asyncio.run(service.__aexit__())


@pytest.fixture(scope="session")
def url(store: Store, token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that wants tokens."""
    yield from _serving(tmp_path_factory.mktemp("server"), store)


@pytest.fixture
def read_only_url(store: Store, token: str, tmp_path: Path) -> Iterator[str]:
    """Of one through which nobody stores."""
    yield from _serving(tmp_path, store, "--read-only")


Run = Callable[..., Done]


@pytest.fixture
def run(token: str) -> Run:
    """Runs the suite to its end."""

    def to_its_end(*arguments: str, **environment: str) -> Done:
        return Suite.started(*arguments, **{"API_TOKEN": token, **environment}).ended()

    return to_its_end
