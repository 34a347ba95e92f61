"""Where pipe and resident meet is the user's own, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_rag import rendezvous
from mcp_rag.rendezvous import UnsafeFolder, meeting_place

from .household import HERE, SECONDS, Household, value


def folder_of(environment: dict[str, str]) -> Path:
    return Path(meeting_place(environment).stem).parent


def test_the_folder_is_made_for_the_user_alone(household: Household) -> None:
    folder = folder_of(household.environment)

    assert folder == household.folder / "mcp-rag"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("runtime", ["", "relative", "/does/not/exist", "/" + "long/" * 20])
def test_without_a_usable_runtime_folder_the_temporary_one_is_used(
    household: Household, runtime: str
) -> None:
    environment = {"XDG_RUNTIME_DIR": runtime, "TMPDIR": str(household.folder)}

    assert folder_of(environment) == household.folder / f"mcp-rag-{os.getuid()}"


def test_a_path_too_long_for_a_socket_is_refused(household: Household) -> None:
    with pytest.raises(UnsafeFolder, match="too long"):
        meeting_place({"TMPDIR": "/tmp/" + "x" * 80})


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(UnsafeFolder, match="cannot be made"):
        meeting_place({"TMPDIR": "/does/not/exist"})


def test_a_folder_that_others_can_enter_is_refused(household: Household) -> None:
    folder_of(household.environment).chmod(0o755)

    with pytest.raises(UnsafeFolder, match="chmod 700"):
        meeting_place(household.environment)


def test_a_link_in_the_place_of_the_folder_is_refused(household: Household) -> None:
    (household.folder / "elsewhere").mkdir(mode=0o700)
    (household.folder / "mcp-rag").symlink_to(household.folder / "elsewhere")

    with pytest.raises(UnsafeFolder, match="not a folder"):
        meeting_place(household.environment)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(household: Household) -> None:
    os.chown(folder_of(household.environment), 65534, -1)

    with pytest.raises(UnsafeFolder, match="belongs to user 65534"):
        meeting_place(household.environment)


@pytest.mark.parametrize("name", ["MCP_RAG_DATABASE_URL", "HOME", "XDG_DATA_HOME"])
def test_other_settings_meet_elsewhere_and_their_values_stay_secret(household: Household, name: str) -> None:
    environment = household.environment | {name: "swordfish"}

    assert meeting_place(environment) != meeting_place(household.environment)
    assert "swordfish" not in meeting_place(environment).stem


def test_what_is_no_setting_changes_nothing(household: Household) -> None:
    assert meeting_place(household.environment | {"EDITOR": "ed"}) == household.place
    assert meeting_place(household.environment | {"MCP_RAG_REDIS_URL": ""}) == household.place


def test_the_lock_has_one_holder(household: Household) -> None:
    lock = rendezvous.claim(household.place)
    assert lock is not None
    assert rendezvous.is_held(household.place)
    assert rendezvous.claim(household.place) is None

    os.close(lock)
    assert not rendezvous.is_held(household.place)


def test_a_pid_that_a_dead_resident_left_is_not_believed(household: Household) -> None:
    Path(household.place.lock).write_text(str(os.getpid()))

    assert rendezvous.resident_pid(household.place) is None
    assert rendezvous.stop(household.place, timeout=1)


def test_the_socket_is_for_the_user_alone_and_replaces_a_dead_one(household: Household) -> None:
    rendezvous.listen(household.place).close()

    with rendezvous.listen(household.place):
        link = rendezvous.connect(household.place)
        assert link is not None
        link.close()
        assert os.stat(household.place.socket).st_mode & 0o777 == 0o600


def test_two_residents_never_serve_one_place(settled: Household) -> None:
    with settled.talk() as talk:
        talk.initialize()
        second = subprocess.run(
            [sys.executable, str(HERE / "sample_server.py")],
            env=settled.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
        )

        assert second.returncode != 0
        assert b"runs already" in second.stderr
        assert value(talk.call("pid", 1)) == settled.resident()


def test_a_resident_can_be_started_by_hand(household: Household) -> None:
    by_hand = subprocess.Popen(
        [sys.executable, str(HERE / "sample_server.py")],
        env=household.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert household.resident() == by_hand.pid
    with household.talk() as talk:
        talk.initialize()
        assert value(talk.call("pid", 1)) == by_hand.pid

    assert rendezvous.stop(household.place, SECONDS)
    assert by_hand.wait(SECONDS) == 0
