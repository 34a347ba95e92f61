"""Who has just begun to serve is watched by a real Prometheus, with the rules that it has in production."""

from pathlib import Path

import pytest
import yaml

from tests.kubernetes.conftest import Run, Start, ended
from tests.kubernetes.measuring import RULES, Measured
from tests.resident.household import eventually

pytestmark = pytest.mark.kubernetes

WATCH = ("watch.sh", "-n", "production")
SCRIPT = Path(__file__).parents[2] / "deploy" / "scripts" / "watch.sh"


def test_where_nothing_fires_all_is_well(run: Run, watched: Measured) -> None:
    done = run(*WATCH, "--minutes", "0", "--prometheus", watched.url)
    assert done.code == 0
    assert "nothing fires" in done.said


def test_the_watch_ends_when_an_alert_begins_to_fire(start: Start, watched: Measured) -> None:
    script = start(*WATCH, "--minutes", "10", PROMETHEUS_URL=watched.url)
    watched.servers.failing = True
    done = ended(script)
    assert done.code == 3
    assert "ErrorRateRollback fires" in done.said


def test_an_alert_about_another_namespace_is_not_for_us(run: Run, watched: Measured) -> None:

    watched.servers.restarting = "staging"
    eventually(lambda: watched.fires("PodsRestart"))
    assert run(*WATCH, "--minutes", "0", "--prometheus", watched.url).code == 0
    done = run("watch.sh", "-n", "staging", "--minutes", "0", "--prometheus", watched.url)
    assert done.code == 3
    assert "PodsRestart fires" in done.said


def test_a_prometheus_that_measures_no_server_is_no_good_news(run: Run, watched: Measured) -> None:
    watched.servers.away = True
    eventually(lambda: watched.prometheus.value("sum(up)") == 0)
    done = run(*WATCH, "--minutes", "0", "--prometheus", watched.url, VERIFY_SECONDS="1")
    assert done.code == 1
    assert "measures no server" in done.said


def test_nor_is_one_that_does_not_answer(run: Run) -> None:
    done = run(*WATCH, "--minutes", "0", "--prometheus", "http://127.0.0.1:9", VERIFY_SECONDS="1")
    assert done.code == 1
    assert "nothing is known" in done.said


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("-n", "production"), "where is Prometheus?"),
        (("-n", 'x"} or vector(1)', "--prometheus", "http://127.0.0.1:9"), "which namespace?"),
        (("-n", "x", "--minutes", "soon", "--prometheus", "http://127.0.0.1:9"), "--minutes is a number"),
    ],
)
def test_what_cannot_be_asked_is_not_asked(run: Run, wrong: tuple[str, ...], words: str) -> None:
    done = run("watch.sh", *wrong)
    assert done.code == 2
    assert words in done.said


def test_to_tell_of_it_asks_nobody(run: Run) -> None:
    assert run(*WATCH, "--prometheus", "http://127.0.0.1:9", "--dry-run").code == 0


def test_it_asks_for_the_words_that_the_rules_have() -> None:
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    actions = {rule["labels"]["action"] for rule in alerts if "action" in rule["labels"]}
    meant = {each for each in actions if each.endswith("rollback")} - {"prepare-rollback"}
    assert "|".join(sorted(meant, key=lambda each: (each != "rollback", each))) in SCRIPT.read_text(
        encoding="utf-8"
    )
