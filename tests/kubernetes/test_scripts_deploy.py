"""An image comes into an environment, where nobody is called by it yet, or does not come in."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import Fault
from tests.kubernetes.conftest import Run
from tests.kubernetes.images import image, images, of_backups

pytestmark = pytest.mark.kubernetes

NEW = f"registry.example.com/mcp-rag@sha256:{'0' * 64}"
OPERATOR = f"registry.example.com/mcp-rag-operator@sha256:{'1' * 64}"
OLD = "registry.example.com/mcp-rag:0.1.0"
PRODUCTION = ("-n", "production", "--image", NEW)
STAGING = ("-n", "staging", "--image", NEW)
NOT_MUCH = {"VERIFY_SECONDS": "1", "ROLLOUT_SECONDS": "1"}


def settings(cluster: Cluster) -> dict[str, Any]:
    """Those of the servers in staging."""
    every = cluster.every("configmaps", "staging")
    (found,) = (each for each in every if each["metadata"]["name"].startswith("mcp-settings-"))
    return found


def _change(cluster: Cluster, deployment: str, **fields: Any) -> None:
    cluster.update("deployments", "production", deployment, lambda it: it["spec"].update(fields))


def test_the_colour_that_does_not_serve_is_replaced_and_the_other_is_not_touched(
    cluster: Cluster, run: Run
) -> None:
    before = cluster.get("deployments", "production", "mcp-backend-blue")
    backups = cluster.every("cronjobs", "production")
    done = run("deploy.sh", *PRODUCTION)
    assert (done.code, done.out) == (0, "colour=green\nchanged=true\n")
    assert cluster.get("deployments", "production", "mcp-backend-blue") == before
    assert cluster.every("cronjobs", "production") == backups
    assert {image(cluster, each) for each in ("mcp-backend-green", "mcp-worker", "mcp-backend")} == {NEW}
    assert not any("-blue" in each for each in cluster.changes)
    service = cluster.get("services", "production", "mcp-backend")
    assert service["spec"]["selector"]["version"] == "blue"


def test_the_preview_leads_to_what_was_replaced(cluster: Cluster, run: Run) -> None:
    def serve_green(service: dict[str, Any]) -> None:
        service["spec"]["selector"]["version"] = "green"

    cluster.update("services", "production", "mcp-backend", serve_green)
    done = run("deploy.sh", *PRODUCTION)
    assert (done.code, done.out) == (0, "colour=blue\nchanged=true\n")
    preview = cluster.get("services", "production", "mcp-backend-preview")
    assert preview["spec"]["selector"]["version"] == "blue"
    assert image(cluster, "mcp-backend-green") == OLD


def test_a_colour_without_pods_is_given_as_many_as_serve(cluster: Cluster, run: Run) -> None:
    _change(cluster, "mcp-backend-blue", replicas=3)
    _change(cluster, "mcp-backend-green", replicas=0)
    assert run("deploy.sh", *PRODUCTION).code == 0
    assert cluster.get("deployments", "production", "mcp-backend-green")["spec"]["replicas"] == 3


def test_where_there_is_one_set_of_servers_they_are_replaced(cluster: Cluster, run: Run) -> None:
    done = run("deploy.sh", *STAGING)
    assert (done.code, done.out) == (0, "colour=\nchanged=true\n")
    assert images(cluster, "staging") == {NEW}
    assert images(cluster, "production") == {OLD}


def test_backups_are_made_by_the_version_that_is_deployed(cluster: Cluster, run: Run) -> None:
    before = of_backups(cluster, "staging")
    assert run("deploy.sh", *PRODUCTION, "--operator-image", OPERATOR).code == 0
    assert of_backups(cluster) == {OPERATOR}
    assert of_backups(cluster, "staging") == before != {OPERATOR}


def test_where_none_are_made_nothing_is_lacking(cluster: Cluster, run: Run) -> None:
    done = run("deploy.sh", "-n", "development", "--image", NEW, "--operator-image", OPERATOR)
    assert (done.code, done.out) == (0, "colour=\nchanged=true\n")


def test_while_backups_cannot_have_it_nothing_else_is_changed(cluster: Cluster, run: Run) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/cronjobs/mcp-backend-restore-check", status=403, times=9))
    done = run("deploy.sh", *PRODUCTION, "--operator-image", OPERATOR)
    assert (done.code, done.out) == (1, "")
    assert "servers and workers are as they were" in done.said
    assert images(cluster, "production") == {OLD}


def test_who_calls_it_again_replaces_nothing(cluster: Cluster, run: Run) -> None:
    assert run("deploy.sh", *STAGING).code == 0
    pods = cluster.every("pods", "staging")
    done = run("deploy.sh", *STAGING)
    assert (done.code, done.out) == (0, "colour=\nchanged=false\n")
    assert cluster.every("pods", "staging") == pods


def test_other_settings_are_another_object(cluster: Cluster, run: Run) -> None:
    """The deployer may make settings, and may not change those that pods have."""
    before = settings(cluster)
    cluster.remove("configmaps", "staging", before["metadata"]["name"])
    assert run("deploy.sh", *STAGING).code == 0
    assert settings(cluster)["data"] == before["data"]


def test_to_tell_of_it_changes_nothing(cluster: Cluster, run: Run) -> None:
    done = run("deploy.sh", *PRODUCTION, "--dry-run")
    assert (done.code, done.out, cluster.changes) == (0, "", [])
    assert f"would give mcp-backend-green and mcp-worker {NEW}; blue serves, and is left alone" in done.said


@pytest.mark.parametrize("wrong", ["", "a b", "image:x|y", "image@sha256:12"])
def test_what_is_no_image_is_not_written_into_manifests(cluster: Cluster, run: Run, wrong: str) -> None:
    assert run("deploy.sh", "-n", "staging", "--image", wrong).code == 2
    assert cluster.changes == []


def green_is_stuck(cluster: Cluster) -> None:
    cluster.stick("mcp-backend-green")


def workers_are_stuck(cluster: Cluster) -> None:
    cluster.stick("mcp-worker")


def not_all_can_be_applied(cluster: Cluster) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/deployments/mcp-worker", status=403, times=9))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (green_is_stuck, "mcp-backend-green does not become ready"),
        (workers_are_stuck, "mcp-worker does not become ready"),
        (not_all_can_be_applied, "not all could be applied"),
    ],
)
def test_what_ran_before_is_put_back(
    cluster: Cluster, run: Run, fault: Callable[[Cluster], None], words: str
) -> None:
    fault(cluster)
    done = run("deploy.sh", *PRODUCTION, **NOT_MUCH)
    assert (done.code, done.out) == (4, "")
    assert words in done.said
    assert {image(cluster, each) for each in ("mcp-backend-green", "mcp-backend-blue", "mcp-worker")} == {OLD}


def test_after_it_was_put_back_a_rollback_does_not_go_forward(cluster: Cluster, run: Run) -> None:
    cluster.stick("mcp-backend")
    assert run("deploy.sh", *STAGING, **NOT_MUCH).code == 4
    assert image(cluster, "mcp-backend", "staging") == OLD
    done = run("rollback.sh", "-n", "staging", "-d", "mcp-backend")
    assert done.code == 0
    assert "rolled back already" in done.said
    assert image(cluster, "mcp-backend", "staging") == OLD


def test_when_it_cannot_be_put_back_a_person_is_told(cluster: Cluster, run: Run) -> None:
    cluster.stick("mcp-backend-green")
    cluster.faults.requests.append(Fault("PATCH .*/deployments/mcp-backend-green", skip=1, times=9))
    done = run("deploy.sh", *PRODUCTION, **NOT_MUCH)
    assert done.code == 5
    assert "could not be put back; pods that were ready serve" in done.said


def test_what_cannot_be_read_is_not_changed(cluster: Cluster, run: Run) -> None:
    cluster.faults.requests.append(Fault("GET .*/services/mcp-backend", times=9))
    done = run("deploy.sh", *PRODUCTION)
    assert (done.code, cluster.changes) == (3, [])
