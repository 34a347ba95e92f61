"""Who serves in production, and what becomes of it when a step fails."""

import urllib.request
from collections.abc import Callable
from functools import partial

import pytest

from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.faults import Fault
from tests.kubernetes.conftest import Run, Start, ended
from tests.kubernetes.images import tag
from tests.resident.household import eventually

# In one process: they share two servers, which take long to start.
pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("colours")]

PRODUCTION = "production"
TURNING = "PATCH .*/services/mcp-backend(\\?|$)"
TO_GREEN = ("--to", "green")
ROLLBACK = ("-n", "production", "-d", "mcp-backend")
NOT_MUCH = {"VERIFY_SECONDS": "1", "ROLLOUT_SECONDS": "1"}


def colour(cluster: Cluster, service: str = "mcp-backend") -> str:
    return str(cluster.get("services", PRODUCTION, service)["spec"]["selector"]["version"])


def answers(cluster: Cluster) -> str:
    """What the service's callers are answered with."""
    port = cluster.services[PRODUCTION, "mcp-backend"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/version") as answer:
        return str(answer.read())


def assert_served_by(cluster: Cluster, wanted: str) -> None:
    assert colour(cluster) == wanted
    assert f'"revision":"{wanted}"' in answers(cluster)


def test_callers_go_to_the_other_colour_and_the_preview_to_the_old_one(
    cluster: Cluster, serving: Run
) -> None:
    assert_served_by(cluster, "blue")
    done = serving("cutover.sh", *TO_GREEN, "--expect", "0.1.0")
    assert done.code == 0
    assert_served_by(cluster, "green")
    assert colour(cluster, "mcp-backend-preview") == "blue"


def test_who_calls_it_again_changes_nothing(cluster: Cluster, serving: Run) -> None:
    assert serving("cutover.sh", *TO_GREEN).code == 0
    before = cluster.changes
    done = serving("cutover.sh", *TO_GREEN)
    assert (done.code, cluster.changes) == (0, before)
    assert "green serves already" in done.said


def test_a_rollback_goes_back_and_a_second_one_does_not_go_forward(cluster: Cluster, serving: Run) -> None:
    assert serving("cutover.sh", *TO_GREEN).code == 0
    assert serving("rollback.sh", *ROLLBACK).code == 0
    assert_served_by(cluster, "blue")
    assert colour(cluster, "mcp-backend-preview") == "green"
    before = cluster.changes
    assert serving("rollback.sh", *ROLLBACK).code == 0
    assert cluster.changes == before
    assert_served_by(cluster, "blue")
    assert serving("cutover.sh", *TO_GREEN).code == 0
    assert serving("rollback.sh", *ROLLBACK).code == 0
    assert_served_by(cluster, "blue")


@pytest.mark.parametrize("script", [("cutover.sh", *TO_GREEN), ("rollback.sh", *ROLLBACK)])
def test_what_is_only_to_be_told_changes_nothing(
    cluster: Cluster, serving: Run, script: tuple[str, ...]
) -> None:
    done = serving(*script, "--dry-run")
    assert (done.code, cluster.changes) == (0, [])
    assert "would turn mcp-backend from blue to green" in done.said.replace("and turn", "would turn")


def stuck(cluster: Cluster) -> None:
    cluster.stick("mcp-backend-green")
    cluster.update("deployments", PRODUCTION, "mcp-backend-green", _another_image)


def _another_image(deployment: dict) -> None:  # type: ignore[type-arg]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/mcp-rag:0.2.0"


def gone(cluster: Cluster) -> None:
    cluster.update("deployments", PRODUCTION, "mcp-backend-green", lambda it: it["spec"].update(replicas=0))


def unready(cluster: Cluster) -> None:
    cluster.make_unready("mcp-backend-green")


def mute(cluster: Cluster) -> None:
    cluster.processes["green"] = 9


def forbidden(cluster: Cluster) -> None:
    cluster.faults.requests.append(Fault("GET .*/deployments/mcp-backend-green", status=403, times=99))


def unknown_preview(cluster: Cluster) -> None:
    cluster.faults.requests.append(Fault("GET .*/services/mcp-backend-preview", status=500, times=99))


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (stuck, 3, "mcp-backend-green is not rolled out and ready; blue serves"),
        (gone, 3, "mcp-backend-green is not rolled out and ready; blue serves"),
        (unready, 3, "mcp-backend-green is not rolled out and ready; blue serves"),
        (mute, 3, "/version does not answer; blue serves"),
        (forbidden, 3, "mcp-backend-green is not rolled out and ready; blue serves"),
        (unknown_preview, 1, "mcp-backend-preview cannot be turned to green; blue serves"),
    ],
)
def test_a_colour_that_is_not_seen_to_work_is_never_called(
    cluster: Cluster, serving: Run, fault: Callable[[Cluster], None], code: int, words: str
) -> None:
    fault(cluster)
    before = cluster.changes
    done = serving("cutover.sh", *TO_GREEN, **NOT_MUCH)
    assert (done.code, cluster.changes) == (code, before)
    assert words in done.said
    assert_served_by(cluster, "blue")


def test_another_version_than_was_expected_is_never_called(cluster: Cluster, serving: Run) -> None:
    done = serving("cutover.sh", *TO_GREEN, "--expect", "9.9.9")
    assert (done.code, cluster.changes) == (3, [])
    assert "green is not version 9.9.9" in done.said
    assert_served_by(cluster, "blue")


def test_a_colour_that_fails_the_smoke_tests_is_never_called(cluster: Cluster, serving: Run) -> None:
    done = serving("cutover.sh", *TO_GREEN, API_TOKEN="mcprag_wrong")
    assert (done.code, cluster.changes) == (3, [])
    assert "NOT OK  search" in done.said
    assert "green does not pass the smoke tests; blue serves" in done.said
    assert_served_by(cluster, "blue")


@pytest.mark.parametrize("status", [409, 500, 503])
def test_a_service_that_cannot_be_turned_stays(cluster: Cluster, serving: Run, status: int) -> None:
    cluster.faults.requests.append(Fault(TURNING, status=status, times=99))
    done = serving("cutover.sh", *TO_GREEN)
    assert done.code == 1
    assert "blue serves" in done.said
    assert_served_by(cluster, "blue")


def test_a_change_whose_answer_is_lost_is_found_to_be_done(cluster: Cluster, serving: Run) -> None:
    cluster.faults.requests.append(Fault(TURNING, applied=True))
    assert serving("cutover.sh", *TO_GREEN).code == 0
    assert_served_by(cluster, "green")


def test_two_operators_do_not_cross(cluster: Cluster, serving: Run) -> None:
    """Another changes the service while this one looks at the new colour."""

    def label(service: dict) -> None:  # type: ignore[type-arg]
        service["metadata"]["labels"]["seen"] = "yes"

    def meanwhile() -> None:
        cluster.edit("services", PRODUCTION, "mcp-backend", label)

    cluster.faults.requests.append(Fault("GET .*/endpoints/mcp-backend-preview", meanwhile=meanwhile))
    done = serving("cutover.sh", *TO_GREEN)
    assert done.code == 1
    assert "somebody else has changed it: blue serves" in done.said
    assert_served_by(cluster, "blue")


def test_what_fails_for_a_moment_is_read_again(cluster: Cluster, serving: Run) -> None:
    for path in ("services/mcp-backend", "deployments/mcp-backend-green", "endpoints/mcp-backend", "pods"):
        cluster.faults.requests.append(Fault(f"GET .*/{path}(\\?|$)", times=2))
    assert serving("cutover.sh", *TO_GREEN).code == 0
    assert_served_by(cluster, "green")


def test_a_watch_that_is_cut_is_no_failure(cluster: Cluster, serving: Run) -> None:
    cluster.faults.cut_watches = 3
    assert serving("cutover.sh", *TO_GREEN).code == 0
    assert_served_by(cluster, "green")


def test_callers_are_sent_back_when_the_new_colour_has_no_endpoints(cluster: Cluster, serving: Run) -> None:
    spoil = partial(cluster.spoil, "mcp-backend-green")
    cluster.faults.requests.append(Fault(TURNING, applied=True, meanwhile=spoil))
    done = serving("cutover.sh", *TO_GREEN, VERIFY_SECONDS="1")
    assert done.code == 4
    assert "no pods of green answer" in done.said
    assert "blue serves, as before" in done.said
    assert_served_by(cluster, "blue")


def test_callers_are_sent_back_when_another_answers_than_the_new_colour(
    cluster: Cluster, serving: Run
) -> None:
    port = cluster.services[PRODUCTION, "mcp-backend-preview"]
    done = serving("cutover.sh", *TO_GREEN, "--url", f"http://127.0.0.1:{port}", VERIFY_SECONDS="1")
    assert done.code == 0
    elsewhere = serving("cutover.sh", "--to", "blue", "--url", "http://127.0.0.1:9", VERIFY_SECONDS="1")
    assert elsewhere.code == 4
    assert "http://127.0.0.1:9 does not answer as blue does" in elsewhere.said
    assert_served_by(cluster, "green")


def test_who_is_told_to_stop_between_turn_and_proof_sends_callers_back(
    cluster: Cluster, start: Start, addresses: dict[str, str]
) -> None:
    nowhere = addresses | {"SERVICE_URL": "http://127.0.0.1:9", "VERIFY_SECONDS": "60"}
    script = start("cutover.sh", *TO_GREEN, **nowhere)
    eventually(lambda: colour(cluster) == "green")
    script.terminate()
    done = ended(script)
    assert done.code == 4
    assert "blue serves, as before" in done.said
    assert_served_by(cluster, "blue")


def test_when_nothing_can_be_read_after_the_turn_a_person_is_told(cluster: Cluster, serving: Run) -> None:
    away = Fault("services/mcp-backend(\\?|$)", times=999)
    meanwhile = partial(cluster.faults.requests.append, away)
    cluster.faults.requests.append(Fault(TURNING, applied=True, meanwhile=meanwhile))
    done = serving("cutover.sh", *TO_GREEN, VERIFY_SECONDS="1")
    assert done.code == 5
    assert "WHO SERVES IS NOT KNOWN" in done.said
    assert """-p '{"spec":{"selector":{"version":"blue"}}}'""" in done.said


def test_a_preview_that_cannot_be_turned_is_put_right_the_next_time(cluster: Cluster, serving: Run) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/services/mcp-backend-preview"))
    done = serving("cutover.sh", *TO_GREEN)
    assert done.code == 0
    assert "WARNING: mcp-backend-preview still leads to green" in done.said
    assert serving("cutover.sh", *TO_GREEN).code == 0
    assert colour(cluster, "mcp-backend-preview") == "blue"


def test_a_colour_that_was_scaled_to_nothing_is_started_only_if_asked_for(
    cluster: Cluster, serving: Run
) -> None:
    gone(cluster)
    done = serving("rollback.sh", *ROLLBACK)
    assert done.code == 3
    assert "mcp-backend-green is scaled to 0; --scale starts it. blue serves" in done.said
    assert_served_by(cluster, "blue")
    assert serving("rollback.sh", *ROLLBACK, "--scale").code == 0
    assert_served_by(cluster, "green")


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (unready, 3, "mcp-backend-green is not ready; blue serves"),
        (lambda it: it.faults.requests.append(Fault(TURNING, times=9)), 1, "blue serves"),
        (
            lambda it: it.faults.requests.append(Fault("GET .*/services/mcp-backend", times=9)),
            1,
            "cannot be read",
        ),
    ],
)
def test_a_rollback_that_fails_leaves_who_serves(
    cluster: Cluster, serving: Run, fault: Callable[[Cluster], None], code: int, words: str
) -> None:
    fault(cluster)
    done = serving("rollback.sh", *ROLLBACK, **NOT_MUCH)
    assert done.code == code
    assert words in done.said
    cluster.faults.requests.clear()
    assert_served_by(cluster, "blue")


def test_a_rollback_stays_where_it_went_though_callers_are_not_answered(
    cluster: Cluster, serving: Run
) -> None:
    done = serving("rollback.sh", *ROLLBACK, "--url", "http://127.0.0.1:9", VERIFY_SECONDS="1")
    assert done.code == 1
    assert "green serves as it was asked to, but http://127.0.0.1:9/health does not answer well" in done.said
    assert_served_by(cluster, "green")


# Where there is one set of servers

STAGING = ("-n", "staging", "-d", "mcp-backend")


@pytest.fixture
def staging(cluster: Cluster, serving: Run) -> Run:
    """Where 0.2.0 has just been rolled out."""
    url = f"http://127.0.0.1:{cluster.services['staging', 'mcp-backend']}"
    cluster.update("deployments", "staging", "mcp-backend", _another_image)
    assert tag(cluster, "mcp-backend", "staging") == "0.2.0"
    return lambda script, *arguments, **more: serving(script, *arguments, "--url", url, **more)


def test_where_there_is_one_colour_the_last_revision_is_undone_once(cluster: Cluster, staging: Run) -> None:
    assert staging("rollback.sh", *STAGING).code == 0
    assert tag(cluster, "mcp-backend", "staging") == "0.1.0"
    done = staging("rollback.sh", *STAGING)
    assert done.code == 0
    assert "rolled back already" in done.said
    assert tag(cluster, "mcp-backend", "staging") == "0.1.0"


def test_to_tell_of_an_undo_changes_nothing(cluster: Cluster, staging: Run) -> None:
    done = staging("rollback.sh", *STAGING, "--dry-run")
    assert (done.code, cluster.changes) == (0, [])
    assert "would undo revision 2 of mcp-backend" in done.said


def test_a_previous_revision_that_does_not_become_ready_is_left_again(cluster: Cluster, staging: Run) -> None:
    cluster.stick("mcp-backend")
    done = staging("rollback.sh", *STAGING, **NOT_MUCH)
    assert done.code == 4
    assert tag(cluster, "mcp-backend", "staging") == "0.2.0"


def test_an_undo_that_is_refused_leaves_who_serves(cluster: Cluster, staging: Run) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/deployments/mcp-backend", times=9))
    done = staging("rollback.sh", *STAGING)
    assert done.code == 1
    assert "mcp-backend cannot be undone" in done.said
    assert tag(cluster, "mcp-backend", "staging") == "0.2.0"


def test_an_undo_whose_answer_is_lost_is_found_to_be_done(cluster: Cluster, staging: Run) -> None:
    cluster.faults.requests.append(Fault("PATCH .*/deployments/mcp-backend", applied=True))
    assert staging("rollback.sh", *STAGING).code == 0
    assert tag(cluster, "mcp-backend", "staging") == "0.1.0"


def test_a_service_without_colours_is_not_cut_over(cluster: Cluster, staging: Run) -> None:
    done = staging("cutover.sh", "-n", "staging", *TO_GREEN)
    assert (done.code, cluster.changes) == (3, [])
