"""A cluster for each test, two colours of the real service for all of them, and the scripts as processes."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from tests.conftest import create_database
from tests.http.process import Service
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.kubectl import folder
from tests.kubernetes.manifests import COLOURS, ENVIRONMENTS, environment, named
from tests.kubernetes.measuring import Measured, measured
from tests.kubernetes.pushgateway import Pushgateway
from tests.kubernetes.s3 import ACCOUNT, Storage

SCRIPTS = Path(__file__).parents[2] / "deployment" / "scripts"
SECONDS = 90


class Done(NamedTuple):
    """How a script ended."""

    code: int
    out: str
    said: str


Run = Callable[..., Done]


class Colours(NamedTuple):
    """Two processes of the service on one database."""

    ports: dict[str, int]
    token: str


@pytest.fixture(scope="session")
def colours(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    with two_colours(postgres, tmp_path_factory.mktemp("colours"), {each: each for each in COLOURS}) as made:
        yield made


@contextmanager
def two_colours(postgres: str, home: Path, revisions: Mapping[str, str]) -> Iterator[Colours]:
    """They say of themselves that they are these commits."""
    url = asyncio.run(create_database(postgres, f"colours_{uuid.uuid4().hex[:12]}"))
    token = asyncio.run(make_token(url))
    with ExitStack() as stack:
        services = {
            colour: Service(home, url, MCP_RAG_EMBED="0", MCP_RAG_REVISION=revision)
            for colour, revision in revisions.items()
        }
        for service in services.values():
            stack.callback(lambda service=service: asyncio.run(service.__aexit__()))
        for service in services.values():
            asyncio.run(service.__aenter__())
        yield Colours({colour: service.port for colour, service in services.items()}, token)


async def make_token(url: str) -> str:
    database = Database(url=url)
    await database.open()
    scopes = frozenset({"read", "write", "erase"})
    made = await Identities(database).create_token(
        "default", "smoke", scopes, datetime(2100, 1, 1, tzinfo=UTC)
    )
    await database.close()
    return made.text


def secrets_of(url: str) -> dict[str, dict[str, str]]:
    """What whoever sets up an environment puts into its secrets, for a database as its owner reaches it."""
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query)["host"][0]
    database = {
        "application-url": url,
        "owner-url": url,
        "host": host,
        "database": parts.path[1:],
        "owner": parts.username or "",
        "owner-password": parts.password or "",
    }
    return {"mcp-database": database}


@pytest.fixture
def cluster(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    """All three environments, as the manifests have them; whoever calls has the deployer's rights."""
    home = tmp_path / "containers"
    home.mkdir()
    objects = {name: environment(name) for name in ENVIRONMENTS}
    roles = {name: named(name, "Role", "mcp-deployer") for name in ENVIRONMENTS}
    with Cluster(objects, home, secrets_of(database_url), roles) as made:
        made.kubeconfig(tmp_path / "kubeconfig", "staging")
        yield made


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Start:
    """Starts a script, patient for a moment only."""

    def started(script: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        programs = [folder(), Path(sys.executable).parent, "/usr/local/bin", "/usr/bin", "/bin"]
        settings = {
            "PATH": os.pathsep.join(map(str, programs)),
            "HOME": str(tmp_path),
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "TMPDIR": str(tmp_path),
            "PAUSE_SECONDS": "0.05",
            "ROLLOUT_SECONDS": "2",
            "VERIFY_SECONDS": "2",
        }
        return subprocess.Popen(
            [SCRIPTS / script, *arguments],
            env=settings | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


@pytest.fixture
def run(start: Start) -> Run:
    """Runs a script to its end."""
    return lambda script, *arguments, **environment: ended(start(script, *arguments, **environment))


def ended(script: "subprocess.Popen[str]") -> Done:
    out, said = script.communicate(timeout=SECONDS)
    print(said)
    return Done(script.returncode, out, said)


@pytest.fixture
def addresses(cluster: Cluster, colours: Colours) -> dict[str, str]:
    """Where both colours of production are reached, which are real, by its services."""
    cluster.processes |= colours.ports
    cluster.processes[""] = colours.ports["blue"]
    return {
        "SERVICE_URL": f"http://127.0.0.1:{cluster.services['production', 'mcp-backend']}",
        "PREVIEW_URL": f"http://127.0.0.1:{cluster.services['production', 'mcp-backend-preview']}",
        "API_TOKEN": colours.token,
    }


@pytest.fixture
def serving(addresses: dict[str, str], run: Run) -> Run:
    """As `run`, where they are."""
    return lambda script, *arguments, **environment: run(script, *arguments, **addresses | environment)


@pytest.fixture(scope="session")
def a_storage() -> Iterator[Storage]:
    with Storage() as storage:
        yield storage


@pytest.fixture
def storage(a_storage: Storage) -> Storage:
    """With one empty bucket."""
    a_storage.reset()
    return a_storage


@pytest.fixture
def gateway() -> Iterator[Pushgateway]:
    with Pushgateway() as gateway:
        yield gateway


@pytest.fixture
def keeping(run: Run, storage: Storage, gateway: Pushgateway) -> Run:
    """As `run`, with a place for backups, and somebody to tell of them."""
    places = {"AWS_ENDPOINT_URL": storage.url, "PUSHGATEWAY_URL": gateway.url, **ACCOUNT}
    return lambda script, *arguments, **environment: run(script, *arguments, **places | environment)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Measured]:
    """Servers whose calls do not fail yet, and a Prometheus that watches them."""
    home = tmp_path / "prometheus"
    home.mkdir()
    with measured(home) as made:
        yield made
