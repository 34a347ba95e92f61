"""What watches the service: rules, alerts, who is told, dashboards. By the programs that read them.

Grafana, Loki, Jaeger and the Collector are not among these: of what is theirs, only what stands here is held.
"""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.command import PATIENCE, Command, ended, is_ready
from tests.cli.command import said as base_url
from tests.conftest import eventually
from tests.docs_tables import SERVICE
from tests.http.running import caller
from tests.operations.prometheus import Prometheus, watching

pytestmark = pytest.mark.operations

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy/monitoring"
RULES = MONITORING / "rules.yml"
UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yml"))
README = (MONITORING / "README.md").read_text("utf-8")
DASHBOARDS = sorted((MONITORING / "grafana/dashboards").glob("*.json"))

OTHERS = {
    "kube-state-metrics": {
        "kube_cronjob_info",
        "kube_cronjob_status_last_successful_time",
        "kube_pod_container_resource_limits",
        "kube_pod_container_status_restarts_total",
        "kube_pod_status_ready",
    },
    "cAdvisor": {"container_cpu_usage_seconds_total", "container_memory_working_set_bytes"},
    "the blackbox exporter": {"probe_ssl_earliest_cert_expiry", "probe_success"},
    "Prometheus itself": {"ALERTS", "up"},
}
"""What is told by others than the service."""
OF_THE_PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
FAILING = "mcp_rag:errors:ratio_rate5m"


def groups() -> list[dict[str, Any]]:
    return list(yaml.safe_load(RULES.read_text("utf-8"))["groups"])


EVERY_RULE = [rule for group in groups() for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in EVERY_RULE if "alert" in rule}
RECORDED = {rule["record"] for rule in EVERY_RULE if "record" in rule}


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(file.read_text("utf-8")) for file in DASHBOARDS]


def shown() -> Iterator[str]:
    """All that the dashboards ask, with a value for each variable."""
    for board in dashboards():
        asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        asked += [each["expr"] for each in board["annotations"]["list"]]
        yield from (each.replace("$namespace", "production") for each in asked)


QUERIES = sorted({rule["expr"] for rule in EVERY_RULE} | set(shown()))


def named(query: str) -> set[str]:
    """The metrics that a query names: what a selector stands behind, or nothing."""
    bare = re.sub(r'"[^"]*"', "", query)
    bare = re.sub(r"\b(by|on|without) \([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    words = re.findall(r"(?<![\w:])[a-zA-Z_][\w:]*(?![\w:]|\s*\()", re.sub(r"\[[^]]*\]|\b\d+\w*\b", "", bare))
    return set(words) - {"and", "or", "unless", "offset", "by", "e"}


def checked(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_understands_its_configuration_and_the_rules() -> None:
    checked("promtool", "check", "config", MONITORING / "prometheus.yml")


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_alerts_are_told_when_they_should_and_at_no_other_time(file: Path) -> None:
    checked("promtool", "test", "rules", file)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_tested_both_ways(alert: str) -> None:
    told = [
        bool(case["exp_alerts"])
        for file in UNIT_TESTS
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == alert
    ]
    assert set(told) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_where_it_is_written_what_to_do(alert: str) -> None:
    page, _, anchor = ALERTS[alert]["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/deploy/monitoring/README.md")
    assert anchor == alert.lower()
    assert f"\n### {alert}\n" in README
    assert ALERTS[alert]["labels"]["severity"] in {"critical", "warning"}


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=critical action=rollback", "on-call"),
        ("severity=critical action=alert-dba", "dba,on-call"),
        ("severity=warning", "team"),
    ],
)
def test_who_is_told_what(labels: str, receivers: str) -> None:
    file = MONITORING / "alertmanager.yml"
    checked("amtool", "check-config", file)
    command = ["amtool", "config", "routes", "test", f"--config.file={file}", *labels.split()]
    assert checked(*command).strip() == receivers


def test_an_inhibition_names_alerts_that_there_are() -> None:
    rules = yaml.safe_load((MONITORING / "alertmanager.yml").read_text("utf-8"))["inhibit_rules"]
    matchers = [each for rule in rules for each in (*rule["source_matchers"], *rule["target_matchers"])]
    assert {name for each in matchers for name in re.findall(r"[A-Z]\w+", each)} <= set(ALERTS)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_only_metrics_that_somebody_tells(query: str) -> None:
    ours = set(re.findall(r"^\| `(\w+)` \|", SERVICE.read_text("utf-8"), re.MULTILINE))
    ours |= {f"{each}_bucket" for each in ours} | {
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    }
    assert named(query), query
    assert named(query) <= ours | RECORDED | set().union(*OTHERS.values())


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_a_dashboard_can_be_provisioned_beside_others(board: dict[str, Any]) -> None:
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({each["uid"] for each in dashboards()}) == len(DASHBOARDS)
    taken = [
        (at["x"] + x, at["y"] + y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["w"])
        for y in range(at["h"])
    ]
    assert len(set(taken)) == len(taken), "panels lie on one another"
    assert max(x for x, _ in taken) < 24


def monitored() -> dict[str, Any]:
    """What the Prometheus operator makes of our monitor of servers, as its documentation has it."""
    file = ROOT / "deploy/kubernetes/components/monitoring/pods.yaml"
    monitor = next(yaml.safe_load_all(file.read_text("utf-8")))
    usual = {"target_label": "job", "replacement": "production/mcp-rag"}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    ours = [
        {"target_label": each["targetLabel"], "replacement": each["replacement"]}
        for each in endpoint["relabelings"]
    ]
    return {"job_name": "podMonitor/production/mcp-rag/0", "relabel_configs": [usual, *ours]}


@pytest.fixture
async def prometheus(database_url: str, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """It reads a server that has been called, and has the rules."""
    command = Command(tmp_path, MCP_RAG_DATABASE_URL=database_url, MCP_RAG_HEALTH_PORT=None)
    process = command.start("serve", "--port", "0")
    try:
        url, probes = base_url(process, "/mcp"), base_url(process, "Probes")
        await eventually(lambda: is_ready(probes), within=PATIENCE)
        config: dict[str, Any] = {"scrape_configs": [monitored()], "rule_files": [str(RULES)]}
        with watching(probes, config, tmp_path) as prometheus:
            await eventually(prometheus.is_up, within=PATIENCE)
            async with caller(url) as client:
                body = {"conversation_id": "a", "content": "A walrus in the attic."}
                assert (await client.post("/ingest", json=body)).status_code == 200
                assert (await client.post("/search", json={"query": "walrus"})).status_code == 200
            yield prometheus
    finally:
        ended(process)


async def test_a_real_prometheus_answers_all_that_rules_and_dashboards_ask(prometheus: Prometheus) -> None:
    async def recorded() -> bool:
        return prometheus.value(FAILING) == 0

    await eventually(recorded, within=PATIENCE)
    assert prometheus.value('sum(up{job="mcp-rag"})') == 1
    for query in QUERIES:
        prometheus.ask(query)
    exported = {name for query in QUERIES for name in named(query)} - set().union(*OTHERS.values()) - RECORDED
    # Of what no tool was called for, there are no series.
    told = exported - {"mcp_tool_calls_total", "mcp_tool_call_duration_seconds_bucket"}

    async def all_told() -> bool:
        return all(prometheus.ask(f"count({name})") for name in told)

    await eventually(all_told, within=PATIENCE)
