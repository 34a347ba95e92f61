"""The image, built and started as it is to be run: its root only to be read, as nobody, without a network."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_rag import __version__
from mcp_rag.postgres import schema
from tests.conftest import eventually
from tests.deploy import engine
from tests.deploy.conftest import CONNECTION, Beside
from tests.deploy.engine import PATIENCE, Container, Finished, described, once, started
from tests.distribution.test_registry import SERVER

pytestmark = pytest.mark.image

BUDGET = 600 * 10**6
CALL = """
import json, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen
path, token, body = json.load(sys.stdin)
headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
data = None if body is None else json.dumps(body).encode()
try:
    answer = urlopen(Request("http://127.0.0.1:" + path, data, headers), timeout=60)
except HTTPError as error:
    answer = error
print(json.dumps([answer.status, json.load(answer)]))
"""
PROBES = ("/health", "/livez", "/readyz", "/version")
SET_ID = "find / -xdev -type f -perm /6000"
COMPILERS = r"find / -xdev -path '*/bin/*' \( -name '*cc' -o -name 'gcc*' -o -name '*++*' -o -name clang \)"
LEFTOVERS = (
    "find / -xdev -path '*/.cache/pip*' -o -xdev -name '*.whl' -path '/opt/*' -o -xdev -path '/root/.cache'"
)
PACKAGES = (
    "from importlib.metadata import distributions; print(*(each.name.lower() for each in distributions()))"
)


@pytest.fixture
def server(beside: Beside) -> Iterator[Container]:
    """`mcp-rag serve` on a database that Alembic has set up."""
    assert beside.once("-m", "alembic", "upgrade", "head", options=("--entrypoint=python",)).code == 0
    beside.token()
    server = beside.started(options=tuple(f"--env={each}" for each in CONNECTION))
    yield server
    server.remove()


def asked(container: Container, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
    """What it answers to whoever calls it from where it is."""
    status, told = json.loads(container.run("python", "-c", CALL, stdin=json.dumps([path, token, body])))
    return int(status), told


async def ready(container: Container) -> None:
    async def answers() -> bool:
        try:
            return asked(container, "8081/readyz")[0] == 200
        except AssertionError:
            return False

    await eventually(answers, within=PATIENCE)


def in_shell(image: str, command: str) -> list[str]:
    """What root reads, who may look everywhere."""
    everywhere = ("--user=0", "--cap-add=DAC_READ_SEARCH", "--network=none")
    done = once(image, "-c", command, options=(*everywhere, "--entrypoint=/bin/sh"))
    assert done.code == 0, done
    return done.out.split()


def test_it_is_as_small_as_it_is_to_be_and_says_what_it_is(image: str) -> None:
    told = described("image", image)
    size = told["Size"]
    base = described("image", engine.base())["Size"]
    print(f"\nThe image has {size / 1e6:.0f} MB, {base / 1e6:.0f} of them its base.")
    assert size <= BUDGET
    labels, config = told["Labels"], told["Config"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert len(labels["org.opencontainers.image.revision"].partition("-")[0]) == 40
    assert labels["org.opencontainers.image.base.name"] == engine.base()
    assert labels["io.modelcontextprotocol.server.name"] == SERVER["name"]
    assert (config["Entrypoint"], config["Cmd"]) == (["mcp-rag"], ["serve"])
    assert (config["User"], config["StopSignal"]) == ("10001:10001", "SIGTERM")
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp"}
    assert not [each for each in config["Env"] if "KEY" in each or "PASSWORD" in each or "_URL" in each]


def test_nothing_is_in_it_that_only_an_attacker_or_a_build_would_use(image: str) -> None:
    assert in_shell(image, SET_ID) == []
    assert in_shell(image, COMPILERS) == []
    assert in_shell(image, LEFTOVERS) == []
    packages = set(in_shell(image, f"/opt/mcp-rag/bin/python -c '{PACKAGES}'"))
    assert {"mcp-rag-memory", "onnxruntime", "redis"} <= packages
    assert not packages & {"torch", "pip", "setuptools", "pytest", "sentence-transformers"}


def test_the_programs_of_postgres_are_those_of_the_server_that_is_inside(image: str) -> None:
    programs = "psql pg_dump pg_restore pg_isready"
    versions = in_shell(image, f"for each in {programs}; do $each --version | grep -o '[0-9.]*$'; done")
    assert len(set(versions)) == 1
    assert versions[0].startswith("18.")


async def test_where_nobody_has_a_token_it_does_not_listen_for_others(beside: Beside) -> None:
    assert beside.once("migrate").code == 0
    refused = beside.once()
    assert refused.code == 2
    assert "nobody has a token yet" in refused.err


async def test_it_is_set_up_and_asked_as_the_runbook_has_it(server: Container) -> None:
    await ready(server)
    assert {path: asked(server, f"8081{path}")[0] for path in PROBES} == dict.fromkeys(PROBES, 200)
    _, version = asked(server, "8081/version")
    assert version["version"] == __version__
    assert version["revision"] == described("container", server.name)["Config"]["Labels"].get(
        "org.opencontainers.image.revision"
    )
    assert schema.REVISION in server.run("python", "-m", "alembic", "current")
    assert server.run("psql", "-d", "rag", "-tc", "SELECT 1;").strip() == "1"
    server.run("pg_dump", "--format=custom", "--file=/tmp/backup", "rag")
    server.run("psql", "-c", "CREATE DATABASE restored")
    server.run("pg_restore", "--exit-on-error", "--dbname=restored", "/tmp/backup")
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    counted = {server.run("psql", "-d", name, "-tc", tables).strip() for name in ("rag", "restored")}
    assert len(counted) == 1
    assert counted != {"0"}


async def test_it_finds_by_meaning_with_the_models_that_are_inside_and_leaves_in_order(
    beside: Beside, server: Container
) -> None:
    await ready(server)
    token = beside.token()
    ferry = {"conversation_id": "ferry", "content": "The ferry to the island leaves at nine."}
    assert asked(server, "8080/ingest", ferry)[0] == 401
    assert asked(server, "8080/ingest", ferry, token)[0] == 200

    async def found() -> bool:
        # Not one word of it was stored.
        query = {"query": "departure of a boat", "accurate": True}
        status, told = asked(server, "8080/search", query, token)
        return status == 200 and [each["id"] for each in told["results"]] == ["ferry#0"]

    await eventually(found, within=PATIENCE)
    assert asked(server, "8081/health")[1]["status"] == "ok"
    assert server.stop() == 0
    for line in server.logs():
        told = json.loads(line)
        assert told["level"] not in ("error", "critical"), told


async def test_nothing_but_its_temporary_files_can_be_written_and_nobody_gains_anything(
    server: Container,
) -> None:
    await ready(server)
    assert server.run("id", "-u").strip() == "10001"
    status = dict(line.split(":", 1) for line in server.run("cat", "/proc/1/status").splitlines())
    assert {status[f"Cap{kind}"].strip() for kind in ("Prm", "Eff", "Bnd", "Inh", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"].strip() == "1"
    writable = server.run(
        "sh",
        "-c",
        "for each in / /opt/mcp-rag /data /run /tmp /var/tmp; do test -w $each && echo $each; done; :",
    )
    assert writable.split() == ["/tmp"]
    assert server.run("find", "/tmp", "-type", "f").split() == []


async def test_a_worker_is_the_same_image_and_answers_probes_too(beside: Beside) -> None:
    assert beside.once("migrate").code == 0
    worker = beside.started("worker")
    try:
        await ready(worker)
        assert worker.stop() == 0
    finally:
        worker.remove()


@pytest.mark.parametrize("verb", ["serve --host 127.0.0.1", "worker"])
async def test_it_can_be_stopped_while_it_still_starts(image: str, verb: str) -> None:
    nowhere = "--env=MCP_RAG_DATABASE_URL=postgresql://a:b@127.0.0.1:1/rag"
    starting = started(image, *verb.split(), options=("--network=none", nowhere))

    async def imports() -> bool:
        return "pydantic_core" in starting.run("cat", "/proc/1/maps")

    try:
        await eventually(imports, within=PATIENCE)
        assert starting.stop() in (0, 128 + signal.SIGTERM)
    finally:
        starting.remove()


def test_without_a_database_it_keeps_its_own_where_a_volume_is(image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    there = (f"--volume={folder}:/data", "--network=none")
    note = tmp_path / "note.md"
    note.write_text("The lighthouse is painted every spring.\n", encoding="utf-8")
    stored = once(image, "ingest", "/note.md", options=(*there, f"--volume={note}:/note.md:ro"))
    assert stored.code == 0, stored
    found = once(image, "search", "lighthouse", "--json", options=there)
    assert "painted every spring" in found.out, found
    assert once(image, "search", "lighthouse", options=("--network=none",)).code != 0, "nothing to write on"


def in_operator(image: str, *command: str, options: tuple[str, ...] = ("--network=none",)) -> Finished:
    program, *arguments = command
    return once(image, *arguments, options=(*options, f"--entrypoint={program}"))


def test_what_makes_backups_is_the_same_with_a_client_of_s3_and_the_scripts(
    image: str, operator_image: str
) -> None:
    told, size = described("image", operator_image), described("image", image)["Size"]
    print(f"\nThe operator's image has {told['Size'] / 1e6:.0f} MB, {(told['Size'] - size) / 1e6:.0f} more.")
    below = described("image", image)["RootFS"]["Layers"]
    assert told["RootFS"]["Layers"][: len(below)] == below
    assert (told["Config"]["User"], told["Config"]["Entrypoint"]) == ("10001:10001", ["mcp-rag"])
    assert told["Labels"]["org.opencontainers.image.title"] == "mcp-rag-operator"
    assert in_shell(operator_image, SET_ID) == []
    assert in_shell(operator_image, LEFTOVERS) == []
    assert in_operator(operator_image, "mcp-rag", "--version").out.strip() == f"mcp-rag {__version__}"
    version = re.search(r"^awscli==(\S+)", (engine.LOCKED / "operator.txt").read_text("utf-8"), re.MULTILINE)
    assert version
    assert in_operator(operator_image, "aws", "--version").out.startswith(f"aws-cli/{version[1]} ")
    for script in ("backup.sh", "restore.sh"):
        told_how = in_operator(operator_image, script, "--help")
        assert (told_how.code, "--here" in told_how.out) == (0, True)
    assert in_operator(image, "/bin/sh", "-c", "command -v aws backup.sh").code != 0


def test_it_asks_the_database_and_s3_where_its_root_can_only_be_read(
    beside: Beside, operator_image: str
) -> None:
    nobody = ("AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=a")
    given = (*CONNECTION, *nobody, "AWS_MAX_ATTEMPTS=1", "AWS_DEFAULT_REGION=us-east-1")
    options = (f"--network=container:{beside.database.name}", *(f"--env={each}" for each in given))
    done = in_operator(operator_image, "backup.sh", "-e", "production", "--here", options=options)
    assert (done.code, done.out) == (1, "")
    assert "Could not connect to the endpoint URL" in done.err
    assert "the bucket mcp-demo-backups cannot be reached" in done.err
