"""A backup is whole or it is none, and what serves is not touched by a restore that fails."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable

import asyncpg
import pytest

from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.conftest import Borrowed, of_database
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import ExecFault, Fault
from tests.kubernetes.conftest import Done, Run
from tests.kubernetes.pushgateway import Pushgateway
from tests.kubernetes.s3 import Storage

pytestmark = pytest.mark.kubernetes

BACKUP = ("backup.sh", "-e", "production")
CHECK = ("restore.sh", "-e", "production", "--check")
RESTORE = ("restore.sh", "-e", "production", "--confirm", "production")


def ask(url: str, question: str) -> list[asyncpg.Record]:
    async def asked() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(question)
        finally:
            await connection.close()

    return asyncio.run(asked())


def stored(url: str) -> int:
    return int(ask(url, "SELECT count(*) FROM conversation")[0][0])


def databases(postgres: str) -> set[str]:
    found = ask(of_database(postgres, "postgres"), "SELECT datname FROM pg_database WHERE datallowconn")
    return {row[0] for row in found}


@pytest.fixture
def filled(database_url: str, embedder: Embedder) -> str:
    """A database in which something is stored."""

    async def fill() -> None:
        database = Database(url=database_url)
        await database.open()
        rag = Rag(Store(database), Borrowed(embedder))
        for number in range(3):
            await rag.ingest(f"trip/{number}", [NewMessage(text=f"The tram to harbour {number}, „naïve“.")])
        await database.close()

    asyncio.run(fill())
    return database_url


def test_a_backup_is_stored_checked_and_told_of(
    filled: str, keeping: Run, storage: Storage, gateway: Pushgateway
) -> None:
    began = time.time()
    done = keeping(*BACKUP)
    assert done.code == 0
    key = done.out.strip().removeprefix("s3://mcp-demo-backups/")
    database = ask(filled, "SELECT current_database()")[0][0]
    assert re.fullmatch(rf"production/backup-{database}-\d{{8}}-\d{{6}}\.dump", key)
    assert sorted(storage.every()) == [key, f"{key}.contents", f"{key}.sha256"]
    dump = storage.read(key)
    assert dump.startswith(b"PGDMP")
    assert storage.read(f"{key}.sha256").split()[0].decode() == hashlib.sha256(dump).hexdigest()
    contents = dict(line.split(" ", 1) for line in storage.read(f"{key}.contents").decode().splitlines())
    assert contents["public.conversation"].split()[0] == "3"
    assert contents.keys() >= {"public.message", "public.passage", "public.alembic_version"}
    assert gateway.pushed["last_backup_timestamp/production"] >= int(began)


def test_to_tell_of_a_backup_stores_nothing(filled: str, keeping: Run, storage: Storage) -> None:
    done = keeping(*BACKUP, "--dry-run")
    assert (done.code, storage.every()) == (0, [])
    assert "would back " in done.said


@pytest.mark.parametrize("environment", ["staging", "development"])
def test_where_the_deployment_is_a_server_the_dump_comes_from_the_toolbox_beside_it(
    filled: str, keeping: Run, storage: Storage, cluster: Cluster, environment: str
) -> None:
    assert keeping("backup.sh", "-e", environment).code == 0
    assert {key.partition("/")[0] for key in storage.every()} == {environment}
    assert all(f"/namespaces/{environment}/pods/mcp-toolbox-" in each for each in cluster.changes)


def dump_fails(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("dump", code=1))


def dump_is_cut(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("dump", code=137, after=20_000))


def dump_is_cut_and_nobody_says_so(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("dump", code=None, after=20_000))


def toolbox_is_away(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.requests.append(Fault("GET .*/exec", times=99))


def bucket_is_away(cluster: Cluster, storage: Storage) -> None:
    storage.faults.append(Fault("GET /mcp-demo-backups\\?", status=404, times=9))


def upload_fails(cluster: Cluster, storage: Storage) -> None:
    storage.faults.append(Fault("PUT .*/partial/", times=9))


def what_lies_there_differs(cluster: Cluster, storage: Storage) -> None:
    storage.spoiled = ".dump"


def reading_fails(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("pg_restore", code=1))


def checksum_cannot_be_stored(cluster: Cluster, storage: Storage) -> None:
    storage.faults.append(Fault("PUT .*sha256", times=9))


def name_cannot_be_given(cluster: Cluster, storage: Storage) -> None:
    storage.faults.append(Fault(r"PUT .*production/backup-[^/]*\.dump$", times=9))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (dump_fails, "the dump did not arrive whole; there is no backup"),
        (dump_is_cut, "the dump did not arrive whole; there is no backup"),
        (dump_is_cut_and_nobody_says_so, "it cannot be read to its end; there is no backup"),
        (toolbox_is_away, "the database cannot be asked by deployment/mcp-backend"),
        (bucket_is_away, "the bucket mcp-demo-backups cannot be reached"),
        (upload_fails, "the dump did not arrive whole; there is no backup"),
        (what_lies_there_differs, "there is no backup"),
        (reading_fails, "it cannot be read to its end; there is no backup"),
        (checksum_cannot_be_stored, "what belongs to it cannot be stored; there is no backup"),
        (name_cannot_be_given, "it cannot be given its name"),
    ],
)
def test_half_a_backup_is_none(
    filled: str,
    keeping: Run,
    storage: Storage,
    cluster: Cluster,
    gateway: Pushgateway,
    fault: Callable[[Cluster, Storage], None],
    words: str,
) -> None:
    fault(cluster, storage)
    done = keeping(*BACKUP)
    assert (done.code, done.out) == (1, "")
    assert words in done.said
    assert not [key for key in storage.every() if key.endswith(".dump")]
    assert not gateway.pushed


def test_who_may_not_see_all_rows_makes_no_backup(filled: str, keeping: Run, storage: Storage) -> None:
    database = ask(filled, "SELECT current_database()")[0][0]
    ask(filled, "CREATE ROLE narrow IN ROLE mcp_rag_app")
    ask(filled, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO narrow")
    ask(filled, f"ALTER ROLE postgres IN DATABASE {database} SET role = narrow")
    done = keeping(*BACKUP)
    ask(of_database(filled, "postgres"), f"ALTER ROLE postgres IN DATABASE {database} RESET role")
    ask(filled, "DROP OWNED BY narrow")
    ask(filled, "DROP ROLE narrow")
    assert (done.code, storage.every()) == (1, [])
    assert "query would be affected by row-level security policy" in done.said


def test_a_metric_that_cannot_be_told_costs_no_backup(
    filled: str, keeping: Run, storage: Storage, gateway: Pushgateway
) -> None:
    gateway.away = True
    done = keeping(*BACKUP)
    assert done.code == 0
    assert "WARNING: last_backup_timestamp could not be published" in done.said


MADE: dict[str, bytes] = {}
"""The objects of one backup, which is made once."""


@pytest.fixture
def kept(filled: str, keeping: Run, storage: Storage) -> str:
    """The key of a backup."""
    if not MADE:
        assert keeping(*BACKUP).code == 0
        MADE.update({key: storage.read(key) for key in storage.every()})
    for key, content in MADE.items():
        storage.write(key, content)
    return next(key for key in MADE if key.endswith(".dump"))


def test_a_backup_is_tried_and_nothing_is_left_of_that(
    kept: str, filled: str, postgres: str, keeping: Run, gateway: Pushgateway
) -> None:
    before = databases(postgres)
    ask(filled, "DELETE FROM conversation WHERE conversation_id = 'trip/1'")
    done = keeping(*CHECK)
    assert done.code == 0
    assert "tables are as they were backed up" in done.said
    assert databases(postgres) == before
    assert stored(filled) == 2
    assert gateway.pushed["last_restore_verified_timestamp/production"] > 0


@pytest.mark.parametrize("arguments", [CHECK, RESTORE])
def test_to_tell_of_a_restore_changes_nothing(
    kept: str, postgres: str, keeping: Run, storage: Storage, arguments: tuple[str, ...]
) -> None:
    before = databases(postgres), storage.every()
    assert keeping(*arguments, "--dry-run").code == 0
    assert (databases(postgres), storage.every()) == before


def test_a_restore_brings_back_what_was_and_keeps_what_is(
    kept: str, filled: str, postgres: str, keeping: Run, storage: Storage
) -> None:
    ask(filled, "DELETE FROM conversation WHERE conversation_id = 'trip/1'")
    done = keeping(*RESTORE, "--key", kept)
    assert done.code == 0
    assert stored(filled) == 3
    before = done.out.splitlines()[-1]
    assert stored(of_database(postgres, before)) == 2
    assert len([key for key in storage.every() if key.endswith(".dump")]) == 2
    ask(of_database(postgres, "postgres"), f"DROP DATABASE {before} WITH (FORCE)")


def test_a_restore_must_be_meant(kept: str, filled: str, keeping: Run) -> None:
    done = keeping("restore.sh", "-e", "production", "--confirm", "staging")
    assert done.code == 3
    assert "say --confirm production" in done.said


def object_differs(cluster: Cluster, storage: Storage) -> None:
    storage.spoiled = ".dump"


def no_database_can_be_made(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("psql.*--set name=restored", code=1))


def restore_is_cut(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("pg_restore --exit-on-error", code=137))


def nothing_is_restored_and_nobody_says_so(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("pg_restore --exit-on-error", code=0))


def it_cannot_be_looked_at(cluster: Cluster, storage: Storage) -> None:
    cluster.faults.execs.append(ExecFault("psql.*--dbname restored_", code=2))


@pytest.mark.parametrize(
    ("arguments", "fault", "words"),
    [
        (CHECK, object_differs, "serves"),
        (CHECK, nothing_is_restored_and_nobody_says_so, "has not what was backed up"),
        (RESTORE, object_differs, "serves"),
        (RESTORE, no_database_can_be_made, "no database can be made"),
        (RESTORE, restore_is_cut, "cannot be restored"),
        (RESTORE, nothing_is_restored_and_nobody_says_so, "has not what was backed up"),
        (RESTORE, it_cannot_be_looked_at, "cannot be looked at"),
    ],
)
def test_a_restore_that_fails_leaves_what_serves(
    kept: str,
    filled: str,
    postgres: str,
    keeping: Run,
    cluster: Cluster,
    storage: Storage,
    gateway: Pushgateway,
    arguments: tuple[str, ...],
    fault: Callable[[Cluster, Storage], None],
    words: str,
) -> None:
    before = databases(postgres)
    fault(cluster, storage)
    done = keeping(*arguments, "--key", kept, BACKUP_ENABLED="false")
    assert done.code == 1
    assert words in done.said
    assert databases(postgres) == before
    assert stored(filled) == 3
    assert "last_restore_verified_timestamp/production" not in gateway.pushed


def names_stay(cluster: Cluster) -> None:
    cluster.faults.execs.append(ExecFault("psql.*--set live=", code=1))


def test_names_that_do_not_change_leave_what_serves(
    kept: str, filled: str, postgres: str, keeping: Run, cluster: Cluster
) -> None:
    before = databases(postgres)
    names_stay(cluster)
    done = keeping(*RESTORE, "--key", kept, BACKUP_ENABLED="false")
    assert done.code == 1
    assert "the names stayed as they were" in done.said
    assert databases(postgres) == before
    assert stored(filled) == 3


def test_nothing_is_replaced_where_no_backup_can_be_made_before(
    kept: str, filled: str, postgres: str, keeping: Run, cluster: Cluster
) -> None:
    before = databases(postgres)
    dump_fails(cluster, Storage)  # type: ignore[arg-type]
    done = keeping(*RESTORE, "--key", kept)
    assert done.code == 3
    assert "what serves could not be backed up; it serves" in done.said
    assert databases(postgres) == before


@pytest.mark.parametrize("part", ["sha256", "contents"])
def test_what_is_not_known_to_be_whole_is_not_restored(
    kept: str, keeping: Run, storage: Storage, part: str
) -> None:
    storage.delete(f"{kept}.{part}")
    assert keeping(*CHECK, "--key", kept).code == 3
    done: Done = keeping(*CHECK)
    assert done.code == 1
    assert "there is no whole backup" in done.said
