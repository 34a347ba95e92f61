"""The pipeline as it runs: `act` runs its jobs, the real kubectl talks to an API server of ours.

Left out of it are the tests, which this is part of, and the image. Nobody is asked for an approval.
"""

import json
import re
import urllib.request
from collections.abc import Callable

import pytest

from mcp_rag.postgres import schema
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import Fault
from tests.kubernetes.conftest import Done
from tests.kubernetes.images import image, images, of_backups
from tests.kubernetes.measuring import Measured
from tests.kubernetes.s3 import Storage
from tests.kubernetes.test_scripts_migrations import alembic
from tests.resident.household import eventually
from tests.workflows.act import Act, Repository, finished
from tests.workflows.conftest import Start

pytestmark = pytest.mark.workflows

Deploy = Callable[..., Done]
OLD = "registry.example.com/mcp-rag:0.1.0"
NOTHING = "http://127.0.0.1:9"


def serving(cluster: Cluster) -> str:
    return str(cluster.get("services", "production", "mcp-backend")["spec"]["selector"]["version"])


def answered(cluster: Cluster) -> str:
    """The commit of what callers of production reach."""
    port = cluster.services["production", "mcp-backend"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/version") as answer:
        return str(json.load(answer)["revision"])


def built(repository: Repository) -> str:
    return f"ghcr.io/example/mcp-rag:{repository.revision}"


def refusals(done: Done) -> list[str]:
    """What GitHub would show above the run."""
    return re.findall(r"^::error title=Refused::(.+)", done.out, re.MULTILINE)


# Production


@pytest.fixture
def behind(database_url: str) -> str:
    """A database that the new version must migrate first."""
    alembic(database_url, "downgrade", "-1")
    return database_url


def test_a_commit_comes_into_production_as_the_colour_that_did_not_serve(
    behind: str,
    deploy: Deploy,
    environments: Cluster,
    watched: Measured,
    storage: Storage,
    repository: Repository,
) -> None:
    done = deploy("production", PROMETHEUS_URL=watched.url)
    assert done.code == 0
    assert (serving(environments), answered(environments)) == ("green", repository.revision)
    assert image(environments, "mcp-backend-blue", "production") == OLD
    assert images(environments, "production") == {OLD, built(repository)}
    assert of_backups(environments, "production") == {built(repository).replace(":", "-operator:")}
    assert alembic(behind, "current").split()[0] == schema.REVISION
    assert [key for key in storage.every() if key.endswith(".dump")]
    assert not any(secret in done.said for secret in ("mcprag_", '"contexts"'))


def test_production_is_not_deployed_without_tests(deploy: Deploy, environments: Cluster) -> None:
    done = deploy("production", "skip_tests=true")
    assert (done.code, environments.changes) == (1, [])
    assert refusals(done) == ["production is not deployed without tests: set skip_tests to false"]


def test_production_is_deployed_from_main_only(deploy: Deploy, environments: Cluster) -> None:
    done = deploy("production", "branch=hotfix")
    assert (done.code, environments.changes) == (1, [])
    assert refusals(done) == ["production is deployed from main, not from hotfix"]


def test_what_staging_does_not_serve_does_not_come_into_production(
    deploy: Deploy, environments: Cluster
) -> None:
    environments.processes[""] = environments.processes["blue"]
    done = deploy("production")
    assert (done.code, environments.changes) == (1, [])
    assert "NOT OK  version" in done.said


def test_while_an_alert_fires_nothing_is_begun(
    deploy: Deploy, environments: Cluster, watched: Measured
) -> None:
    watched.servers.failing = True
    eventually(lambda: watched.fires("ErrorRateRollback"))
    done = deploy("production", PROMETHEUS_URL=watched.url)
    assert (done.code, environments.changes) == (1, [])
    assert "ErrorRateRollback fires" in done.said


def other_build(cluster: Cluster) -> None:
    cluster.processes["green"] = cluster.processes["blue"]


def not_turned(cluster: Cluster) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/services/mcp-backend(\\?|$)", status=409, times=9))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (other_build, "NOT OK  version"),
        (not_turned, "mcp-backend was not turned"),
    ],
)
def test_a_colour_that_is_not_well_never_serves(
    deploy: Deploy,
    environments: Cluster,
    watched: Measured,
    fault: Callable[[Cluster], None],
    words: str,
) -> None:
    before = answered(environments)
    fault(environments)
    done = deploy("production", PROMETHEUS_URL=watched.url)
    assert done.code == 1
    assert words in done.said
    assert (serving(environments), answered(environments)) == ("blue", before)
    assert "Main Roll back" not in done.said


def fails(measured: Measured) -> None:
    measured.servers.failing = True


def is_not_seen(measured: Measured) -> None:
    measured.servers.away = True


@pytest.mark.parametrize(
    ("happens", "words"),
    [(fails, "ErrorRateRollback fires"), (is_not_seen, "nothing is known")],
)
def test_what_is_not_well_once_it_serves_is_rolled_back(
    start: Start,
    environments: Cluster,
    watched: Measured,
    happens: Callable[[Measured], None],
    words: str,
) -> None:
    before = answered(environments)
    pipeline = start("production", PROMETHEUS_URL=watched.url, WATCH_MINUTES="10")
    eventually(lambda: serving(environments) == "green", within=120)
    happens(watched)
    done = finished(pipeline)
    assert done.code == 1
    assert words in done.said
    assert "turning mcp-backend from green to blue" in done.said
    assert (serving(environments), answered(environments)) == ("blue", before)


# Where there is one set of servers


def test_a_branch_comes_into_staging_server_by_server(
    deploy: Deploy, environments: Cluster, repository: Repository
) -> None:
    done = deploy("staging", "branch=hotfix")
    assert done.code == 0
    assert images(environments, "staging") == {built(repository)}
    assert images(environments, "production") == {OLD}


def test_a_push_to_main_comes_into_development(
    act: Act, environments: Cluster, repository: Repository
) -> None:
    assert finished(act.start("push", [], {})).code == 0
    assert images(environments, "development") == {built(repository)}
    assert images(environments, "staging") == {OLD}


def test_servers_that_fail_the_smoke_tests_are_rolled_back(
    deploy: Deploy, environments: Cluster, repository: Repository
) -> None:
    environments.processes[""] = environments.processes["blue"]
    done = deploy("staging", "skip_tests=true")
    assert done.code == 1
    assert "NOT OK  version" in done.said
    assert image(environments, "mcp-backend", "staging") == OLD


def test_what_was_there_already_is_not_rolled_back(deploy: Deploy, environments: Cluster) -> None:
    """What ran before it is older."""
    assert deploy("staging").code == 0
    now = images(environments, "staging")
    assert deploy("staging", STAGING_URL=NOTHING).code == 1
    assert images(environments, "staging") == now


def test_a_branch_that_there_is_not_is_said(deploy: Deploy, environments: Cluster) -> None:
    done = deploy("staging", "branch=nothing")
    assert (done.code, environments.changes) == (1, [])
    assert refusals(done) == ["there is no branch nothing"]
