"""Backups that nobody asks for: the same scripts, where they stand, and the jobs that run them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from anyio.from_thread import start_blocking_portal

from mcp_rag.postgres.binaries import find_binaries
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import Fault
from tests.kubernetes.conftest import SCRIPTS, SECONDS, Done, Run, secrets_of
from tests.kubernetes.kubectl import kubectl
from tests.kubernetes.pushgateway import Pushgateway
from tests.kubernetes.s3 import ACCOUNT, Storage
from tests.kubernetes.test_scripts_backups import ask, databases, filled, of_database, stored
from tests.resident.household import eventually

pytestmark = pytest.mark.kubernetes
__all__ = ["filled"]

HERE = ("-e", "production", "--here")
ABSENT = {"aws", "curl", "kubectl"}
"""Programs that the image has not where others have them."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The PATH of a container: no kubectl, no curl."""
    folder = tmp_path_factory.mktemp("programs")
    for each in (*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()):
        if each.name not in ABSENT and not (folder / each.name).exists():
            (folder / each.name).symlink_to(each)
    return os.pathsep.join(map(str, (SCRIPTS, find_binaries(), Path(sys.executable).parent, folder)))


@pytest.fixture
def container(
    filled: str, programs: str, storage: Storage, gateway: Pushgateway, tmp_path: Path
) -> dict[str, str]:
    """What the environment of one is."""
    secret = secrets_of(filled)["mcp-database"]
    database = {"PGHOST": secret["host"], "PGDATABASE": secret["database"], "PGUSER": secret["owner"]}
    places = {"AWS_ENDPOINT_URL": storage.url, "PUSHGATEWAY_URL": gateway.url}
    return {"PATH": programs, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **database, **places, **ACCOUNT}


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(container: dict[str, str]) -> Start:
    """Starts a script as the jobs do: it alone is told to stop, by `timeout`."""

    def started(script: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["timeout", "600", script, *HERE, *arguments],
            env=container | {"PAUSE_SECONDS": "0.05"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return started


def ended(script: "subprocess.Popen[str]") -> Done:
    out, said = script.communicate(timeout=SECONDS)
    print(said)
    return Done(script.returncode, out, said)


@pytest.fixture
def here(start: Start) -> Run:
    return lambda script, *arguments, **environment: ended(start(script, *arguments, **environment))


def test_where_they_stand_scripts_need_no_cluster(
    filled: str, postgres: str, here: Run, storage: Storage, gateway: Pushgateway
) -> None:
    before = databases(postgres)
    made = here("backup.sh")
    assert made.code == 0
    key = made.out.strip().removeprefix("s3://mcp-demo-backups/")
    assert sorted(storage.every()) == [key, f"{key}.contents", f"{key}.sha256"]
    ask(filled, "DELETE FROM conversation WHERE conversation_id = 'trip/1'")
    tried = here("restore.sh", "--check")
    assert tried.code == 0
    assert "tables are as they were backed up" in tried.said
    assert (databases(postgres), stored(filled)) == (before, 2)
    # There is no curl.
    assert set(gateway.pushed) == {
        "last_backup_timestamp/production",
        "last_restore_verified_timestamp/production",
    }


def test_a_database_is_replaced_from_where_they_stand_after_a_backup(
    filled: str, postgres: str, here: Run, storage: Storage
) -> None:
    assert here("backup.sh").code == 0
    (kept,) = (key for key in storage.every() if key.endswith(".dump"))
    ask(filled, "DELETE FROM conversation WHERE conversation_id = 'trip/1'")
    done = here("restore.sh", "--confirm", "production", "--key", kept)
    assert done.code == 0
    assert stored(filled) == 3
    assert len([key for key in storage.every() if key.endswith(".dump")]) == 2
    ask(of_database(postgres, "postgres"), f"DROP DATABASE {done.out.splitlines()[-1]} WITH (FORCE)")


@pytest.mark.parametrize("script", [("backup.sh",), ("restore.sh", "--check")])
@pytest.mark.parametrize(
    ("environment", "arguments", "code", "words"),
    [
        ({"PGHOST": "/nowhere"}, (), 1, "the database cannot be asked from here"),
        ({"PATH": "/usr/bin:/bin"}, (), 2, "aws is not on the PATH"),
        ({}, ("-n", "production"), 2, "--here is in no other namespace"),
    ],
)
def test_what_is_lacking_is_said(
    here: Run,
    storage: Storage,
    script: tuple[str, ...],
    environment: dict[str, str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    for part in ("", ".sha256", ".contents"):
        storage.write(f"production/backup-a-20260101-000000.dump{part}", b"0 0")
    before = storage.every()
    name, *others = script
    done = here(str(SCRIPTS / name), *others, *arguments, **environment)
    assert (done.code, done.out, storage.every()) == (code, "", before)
    assert words in done.said


def test_half_a_backup_is_none_where_they_stand_either(
    here: Run, storage: Storage, gateway: Pushgateway
) -> None:
    storage.spoiled = ".dump"
    done = here("backup.sh")
    assert (done.code, done.out, storage.every()) == (1, "", [])
    assert not gateway.pushed


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody else reads the table."""
    with start_blocking_portal() as portal:
        connection = portal.call(lambda: asyncpg.connect(url))
        portal.call(connection.execute, f"BEGIN; LOCK TABLE {table}")
        yield
        portal.call(connection.close)


def waits(url: str, program: str) -> bool:
    found = ask(
        url,
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        f" AND application_name = '{program}'",
    )
    return bool(found)


def test_a_backup_that_is_told_to_stop_leaves_nothing(filled: str, start: Start, storage: Storage) -> None:
    with locked(filled, "passage"):
        script = start("backup.sh")
        eventually(lambda: waits(filled, "psql"))
        script.send_signal(signal.SIGTERM)
        done = ended(script)
    assert done.code != 0
    assert storage.every() == []
    assert not ask(filled, "SELECT 1 FROM pg_stat_activity WHERE application_name IN ('psql', 'pg_dump')")


def test_a_restore_that_is_told_to_stop_leaves_no_database(
    filled: str, postgres: str, here: Run, start: Start, storage: Storage
) -> None:
    assert here("backup.sh").code == 0
    before = databases(postgres)
    running: list[subprocess.Popen[str]] = []
    fault = Fault(r"GET .*\.dump$", meanwhile=lambda: running[0].terminate())
    storage.faults.append(fault)
    running.append(start("restore.sh", "--check"))
    done = ended(running[0])
    assert (done.code, fault.hits) == (130, 1)
    assert databases(postgres) == before


@pytest.fixture
def by_itself(cluster: Cluster, storage: Storage, gateway: Pushgateway) -> Cluster:
    """A cluster whose jobs reach S3 and the Pushgateway as its settings and secrets have it."""
    places = {"AWS_ENDPOINT_URL": storage.url, "PUSHGATEWAY_URL": gateway.url}
    account = {key: value for key, value in ACCOUNT.items() if "KEY" not in key}
    for (_, name), settings in cluster.containers.settings.items():
        if name.startswith("mcp-backups"):
            settings |= places | account
    cluster.containers.secrets["mcp-backups"] = {"access-key-id": "any", "secret-access-key": "any"}
    return cluster


Kubectl = Callable[..., str]


@pytest.fixture
def now(by_itself: Cluster, tmp_path: Path) -> Kubectl:
    """Has a job of a CronJob done now, as an operator would. What it said.

    In two steps: as one, kubectl sends it in a form that the cluster of these tests does not read.
    """

    def done(name: str, namespace: str, condition: str = "complete") -> str:
        written = tmp_path / "job.json"
        told = ("--kubeconfig", tmp_path / "kubeconfig", "--namespace", namespace)
        made = ("create", "job", f"{name}-now", f"--from=cronjob/{name}", "--dry-run=client", "--output=json")
        written.write_text(kubectl(*told, *made), encoding="utf-8")
        kubectl(*told, "create", "--filename", written)
        kubectl(*told, "wait", f"--for=condition={condition}", f"job/{name}-now", f"--timeout={SECONDS}s")
        said = kubectl(*told, "logs", f"job/{name}-now")
        print(said)
        return said

    return done


def test_the_jobs_back_up_and_try_what_they_have_backed_up(
    filled: str, postgres: str, now: Kubectl, storage: Storage, gateway: Pushgateway
) -> None:
    before = databases(postgres)
    key = now("mcp-backend-backup", "production").splitlines()[-1].removeprefix("s3://mcp-demo-backups/")
    assert key.startswith("production/backup-")
    assert sorted(storage.every()) == [key, f"{key}.contents", f"{key}.sha256"]
    assert "last_backup_timestamp/production" in gateway.pushed
    assert "tables are as they were backed up" in now("mcp-backend-restore-check", "production")
    assert databases(postgres) == before
    assert "last_restore_verified_timestamp/production" in gateway.pushed


def test_a_job_that_cannot_reach_the_bucket_fails_and_says_so(
    filled: str, now: Kubectl, storage: Storage, gateway: Pushgateway
) -> None:
    storage.faults.append(Fault("GET /mcp-demo-backups", status=403, times=99))
    assert "the bucket mcp-demo-backups cannot be reached" in now(
        "mcp-backend-backup", "production", "failed"
    )
    assert not gateway.pushed
