"""The image as it is built, and what is started of it."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import eventually
from tests.deploy import engine
from tests.deploy.engine import PATIENCE, Container, Finished, once, started

# The Postgres that is inside stands beside the service as well: it is one, with pgvector.
POSTGRES = """
cd "$(dirname "$(readlink -f "$(command -v psql)")")"
echo "$PGPASSWORD" > /tmp/password
./initdb --pgdata /tmp/data --username owner --auth scram-sha-256 --pwfile /tmp/password
exec ./postgres -D /tmp/data -k /tmp -h 127.0.0.1
"""
PASSWORD = uuid.uuid4().hex
URL = f"postgresql://owner:{PASSWORD}@127.0.0.1:5432/rag"
CONNECTION = ("PGHOST=127.0.0.1", "PGUSER=owner", "PGDATABASE=postgres", f"PGPASSWORD={PASSWORD}")


@pytest.fixture(scope="session")
def image() -> str:
    """Built anew, as far as its files have changed."""
    return engine.build("product")


@pytest.fixture(scope="session")
def operator_image(image: str) -> str:
    """On top of the other."""
    return engine.build("operator")


class Beside:
    """Containers of the image that share one loopback interface, and have no other network."""

    def __init__(self, image: str, database: Container) -> None:
        self._image = image
        self._options = (f"--network=container:{database.name}", f"--env=MCP_RAG_DATABASE_URL={URL}")
        self.database = database

    def once(self, *arguments: str, options: tuple[str, ...] = ()) -> Finished:
        return once(self._image, *arguments, options=(*self._options, *options))

    def started(self, *arguments: str, options: tuple[str, ...] = ()) -> Container:
        return started(self._image, *arguments, options=(*self._options, *options))

    def token(self) -> str:
        made = self.once("token", "create", "ci", "--json")
        assert made.code == 0, made
        return str(json.loads(made.out)["token"])


@pytest.fixture
async def beside(image: str) -> Iterator[Beside]:
    """A Postgres with an empty database, and a place beside it."""
    database = started(
        image,
        "-c",
        POSTGRES,
        options=("--network=none", "--entrypoint=/bin/sh", *(f"--env={each}" for each in CONNECTION)),
    )
    try:

        async def listens() -> bool:
            return once_ready(database)

        await eventually(listens, within=PATIENCE)
        database.run("psql", "-c", "CREATE DATABASE rag")
        yield Beside(image, database)
    finally:
        database.remove()


def once_ready(database: Container) -> bool:
    try:
        return "accepting" in database.run("pg_isready")
    except AssertionError:
        return False
