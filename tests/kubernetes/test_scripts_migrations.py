"""A database is brought to what a new version needs, after a backup, or stays where it was."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mcp_rag.postgres import schema
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import ExecFault, Fault
from tests.kubernetes.conftest import Run
from tests.kubernetes.images import tag
from tests.kubernetes.s3 import Storage

pytestmark = pytest.mark.kubernetes

MIGRATE = "migrations/run-migrations.sh"
PRODUCTION = {"NAMESPACE": "production", "DEPLOYMENT_NAME": "mcp-backend"}
WITHOUT = PRODUCTION | {"BACKUP_ENABLED": "false"}
NEW = ("--image", "registry.example.com/mcp-rag:0.2.0")


def alembic(url: str, *arguments: str) -> str:
    found = {"ALEMBIC_CONFIG": str(schema.config_file()), "MCP_RAG_DATABASE_URL": url}
    found["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.run(command, env=os.environ | found, capture_output=True, text=True, check=True).stdout


def revision(url: str) -> str:
    return alembic(url, "current").split()[0]


@pytest.fixture
def behind(database_url: str) -> str:
    """A database one revision behind; the URL."""
    alembic(database_url, "downgrade", "-1")
    return database_url


def test_after_a_backup_a_job_of_the_new_image_migrates(
    behind: str, cluster: Cluster, keeping: Run, storage: Storage
) -> None:
    done = keeping(MIGRATE, *NEW, **PRODUCTION)
    assert done.code == 0
    assert revision(behind) == schema.REVISION
    assert f"the database is at {schema.REVISION}" in done.said
    assert [key for key in storage.every() if key.endswith(".dump")]
    job = cluster.get("jobs", "production", "mcp-migrate")
    assert job["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":0.2.0")
    assert tag(cluster, "mcp-backend") == "0.2.0"
    assert {tag(cluster, f"mcp-backend-{colour}") for colour in ("blue", "green")} == {"0.1.0"}


def test_who_calls_it_again_changes_nothing(behind: str, cluster: Cluster, keeping: Run) -> None:
    assert keeping(MIGRATE, **WITHOUT).code == 0
    jobs, before = cluster.every("jobs", "production"), _changes(cluster)
    done = keeping(MIGRATE, **PRODUCTION)
    assert done.code == 0
    assert f"the database is at {schema.REVISION} already" in done.said
    assert (cluster.every("jobs", "production"), _changes(cluster)) == (jobs, before)


def _changes(cluster: Cluster) -> list[str]:
    return [each for each in cluster.changes if "/exec?" not in each]


def test_without_a_word_it_is_about_the_namespace_of_the_context(
    behind: str, cluster: Cluster, keeping: Run
) -> None:
    assert keeping(MIGRATE, "--no-backup").code == 0
    assert cluster.every("jobs", "staging")
    assert not cluster.every("jobs", "production")


def test_to_tell_of_it_changes_nothing(behind: str, cluster: Cluster, keeping: Run, storage: Storage) -> None:
    before = revision(behind)
    for arguments in ((), NEW):
        done = keeping(MIGRATE, *arguments, "--dry-run", **PRODUCTION)
        assert done.code == 0
        assert "would " in done.said
    assert (revision(behind), _changes(cluster), storage.every()) == (before, [], [])


def no_backup(cluster: Cluster) -> None:
    cluster.faults.execs.append(ExecFault("dump", code=1))


def toolbox_is_stuck(cluster: Cluster) -> None:
    cluster.stick("mcp-backend")


def toolbox_keeps_its_image(cluster: Cluster) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/deployments/mcp-backend", times=9))


def alembic_fails(cluster: Cluster) -> None:
    cluster.faults.execs.append(ExecFault("alembic current"))


def no_job_can_be_made(cluster: Cluster) -> None:
    cluster.faults.requests.append(Fault("POST .*/jobs", status=409, times=9))


@pytest.mark.parametrize(
    ("fault", "environment", "words"),
    [
        (no_backup, PRODUCTION, "there is no backup, so nothing is migrated"),
        (toolbox_is_stuck, WITHOUT, "the toolbox does not become ready"),
        (toolbox_keeps_its_image, WITHOUT, "the toolbox keeps registry.example.com/mcp-rag:0.1.0"),
        (alembic_fails, WITHOUT, "the toolbox cannot say which revision the database has"),
        (no_job_can_be_made, WITHOUT, "the job cannot be made, so nothing is migrated"),
    ],
)
def test_what_fails_before_the_job_leaves_the_database_as_it_was(
    behind: str,
    cluster: Cluster,
    keeping: Run,
    fault: Callable[[Cluster], None],
    environment: dict[str, str],
    words: str,
) -> None:
    before = revision(behind)
    fault(cluster)
    done = keeping(MIGRATE, *NEW, **environment)
    assert done.code == 3
    assert words in done.said
    assert revision(behind) == before


def test_of_a_job_that_fails_the_log_is_shown(behind: str, cluster: Cluster, keeping: Run) -> None:
    before = revision(behind)
    cluster.containers.broken.add("0.2.0")
    done = keeping(MIGRATE, *NEW, **WITHOUT)
    assert done.code == 1
    assert "this image is broken" in done.said
    assert f"the migration failed; the database is at {before}" in done.said
    assert revision(behind) == before


def test_after_a_failure_it_can_be_called_again(behind: str, cluster: Cluster, keeping: Run) -> None:
    cluster.containers.broken.add("0.2.0")
    assert keeping(MIGRATE, *NEW, **WITHOUT).code == 1
    cluster.containers.broken.clear()
    assert keeping(MIGRATE, *NEW, **WITHOUT).code == 0
    assert revision(behind) == schema.REVISION


def test_a_job_that_ended_well_and_did_nothing_is_found_out(
    behind: str, cluster: Cluster, keeping: Run
) -> None:
    cluster.containers.idle.add("0.2.0")
    done = keeping(MIGRATE, *NEW, VERIFY_SECONDS="1", **WITHOUT)
    assert done.code == 1
    assert f"the job has ended well, and the database is not at {schema.REVISION}" in done.said


def test_two_migrations_do_not_run_at_once(behind: str, cluster: Cluster, keeping: Run) -> None:
    cluster.containers.broken.add("0.2.0")
    assert keeping(MIGRATE, *NEW, **WITHOUT).code == 1

    def runs(job: dict[str, Any]) -> None:
        job["status"] = {"active": 1}

    cluster.update("jobs", "production", "mcp-migrate", runs)
    done = keeping(MIGRATE, *NEW, **WITHOUT)
    assert done.code == 3
    assert "a migration is running" in done.said


def test_what_serves_is_not_taken_for_the_toolbox(behind: str, cluster: Cluster, keeping: Run) -> None:
    done = keeping(MIGRATE, NAMESPACE="staging", DEPLOYMENT_NAME="mcp-backend")
    assert (done.code, cluster.changes) == (3, [])
    assert "deployment/mcp-backend serves: the toolbox of staging is mcp-toolbox" in done.said
