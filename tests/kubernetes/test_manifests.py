"""What a schema does not see: that the manifests fit each other, and the service that they run."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import alerts
from mcp_rag import __version__
from mcp_rag.compose import Startup
from mcp_rag.http.leaving import MCP, Leave
from mcp_rag.http.sse import MESSAGES, SSE
from mcp_rag.settings import Settings
from mcp_rag.sidecar import create_app
from tests.kubernetes.manifests import (
    COLOURS,
    ENVIRONMENTS,
    ROOT,
    Object,
    containers,
    environment,
    named,
    of_kind,
    pod,
    ports,
    rendered,
    selected,
    workloads,
)

pytestmark = [pytest.mark.kubernetes, pytest.mark.parametrize("name", ENVIRONMENTS)]

KUBERNETES = "1.32"
OPERATORS = ("PodMonitor", "Probe", "PrometheusRule")
"""Kinds that a cluster has from an operator."""
SECRETS = {
    "mcp-database": {"application-url", "owner-url", "host", "database", "owner", "owner-password"},
    "mcp-redis": {"url"},
    "mcp-answering": {"anthropic-api-key"},
    "mcp-backups": {"access-key-id", "secret-access-key"},
}
"""What whoever sets up an environment puts there by hand."""
LIBPQ = {"PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE"}
CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
SCRIPTS = ROOT.parent / "scripts"
RULES = ROOT.parent / "monitoring" / "rules.yml"
PUBLIC = "mcp-rag-public"
"""What a blackbox exporter reaches."""
SIZES = {"m": 0.001, "": 1.0, "Mi": 2.0**20, "Gi": 2.0**30}


def servers(name: str) -> list[Object]:
    wanted = {"production": [f"mcp-backend-{colour}" for colour in COLOURS]}.get(name, ["mcp-backend"])
    return [named(name, "Deployment", each) for each in wanted]


def settings(name: str) -> dict[str, str]:
    (found,) = (
        each for each in of_kind(name, "ConfigMap") if each["metadata"]["name"].startswith("mcp-settings")
    )
    return dict(found["data"])


def amount(quantity: str) -> float:
    found = re.fullmatch(r"([\d.]+)(\w*)", quantity)
    assert found
    return float(found[1]) * SIZES[found[2]]


def test_each_object_is_one_that_kubernetes_takes(name: str) -> None:
    for each in environment(name):
        if each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_a_name_that_is_misspelt_is_found(name: str) -> None:
    wrong = deepcopy(dict(workloads(name)[0]))
    pod(wrong)["spec"]["containers"][0]["resources"]["limit"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_all_that_selects_pods_selects_some(name: str) -> None:
    for workload in of_kind(name, "Deployment"):
        called, selector = workload["metadata"]["name"], workload["spec"]["selector"]["matchLabels"]
        assert selected(name, selector) == {called}
    for each in of_kind(name, "PodDisruptionBudget", "PodMonitor"):
        assert selected(name, each["spec"]["selector"]["matchLabels"])
    for each in of_kind(name, "NetworkPolicy"):
        assert selected(name, each["spec"]["podSelector"].get("matchLabels", {}))
    for each in of_kind(name, "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        assert named(name, target["kind"], target["name"]) in servers(name)


def test_a_service_leads_to_one_set_of_servers_by_ports_that_they_have(name: str) -> None:
    called = {each["metadata"]["name"] for each in servers(name)}
    found = {}
    for service in of_kind(name, "Service"):
        (target,) = selected(name, service["spec"]["selector"])
        found[service["metadata"]["name"]] = target
        (container,) = pod(named(name, "Deployment", target))["spec"]["containers"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports(container)
    assert set(found.values()) == called
    assert found["mcp-backend"] != found.get("mcp-backend-preview")


def test_who_calls_comes_in_by_a_service_that_is_there_and_sessions_find_their_process(name: str) -> None:
    paths: dict[str, set[str]] = {}
    for ingress in of_kind(name, "Ingress"):
        annotations = {
            key.partition("/")[2]: value for key, value in ingress["metadata"]["annotations"].items()
        }
        assert annotations["proxy-buffering"] == annotations["proxy-request-buffering"] == "off"
        assert int(annotations["proxy-read-timeout"]) >= 3600
        (rule,) = ingress["spec"]["rules"]
        assert [rule["host"]] == ingress["spec"]["tls"][0]["hosts"]
        assert rule["host"] in settings(name)["MCP_RAG_PUBLIC_HOSTS"].split(",")
        if ingress["metadata"]["name"].endswith("-preview"):
            assert annotations["upstream-hash-by"]
            continue
        for path in rule["http"]["paths"]:
            service = path["backend"]["service"]
            (port,) = named(name, "Service", service["name"])["spec"]["ports"]
            assert port["name"] == service["port"]["name"]
            paths.setdefault(annotations.get("upstream-hash-by", ""), set()).add(path["path"])
    assert paths.pop("") == {"/"}
    assert list(paths.values()) == [{MCP, SSE, MESSAGES}]


def test_each_probe_asks_for_what_is_answered(name: str) -> None:
    app = create_app(Startup(Settings()), Settings(), Leave(), embeds=False)
    answered = {getattr(route, "path", None) for route in app.routes}
    asked = [probe for each in containers(name) for probe in _probes(each)]
    assert len(asked) >= 6
    for container in containers(name):
        for probe in _probes(container):
            assert probe["path"] in answered
            assert probe["port"] == "probes"
            assert probe["port"] in ports(container)
    for monitor in of_kind(name, "PodMonitor"):
        assert {each["path"] for each in monitor["spec"]["podMetricsEndpoints"]} <= answered


def _probes(container: Object) -> list[Mapping[str, Any]]:
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    return [container[kind]["httpGet"] for kind in kinds if kind in container]


def test_each_setting_is_one_of_ours_with_a_value_that_it_takes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = "MCP_RAG_"
    known = {f"{prefix}{field.upper()}" for field in Settings.model_fields}
    written = {each["name"] for container in containers(name) for each in container.get("env", ())}
    assert {each for each in written if each.startswith(prefix)} <= known
    assert settings(name).keys() <= known
    for variable, value in settings(name).items():
        monkeypatch.setenv(variable, value)
    read = Settings.read()
    for server in servers(name):
        (container,) = pod(server)["spec"]["containers"]
        listening = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert listening == {"calls": read.port, "probes": read.health_port}
    assert {read.host, read.health_host} == {"0.0.0.0"}


def test_what_is_referred_to_is_there(name: str) -> None:
    maps = {each["metadata"]["name"] for each in of_kind(name, "ConfigMap")}
    accounts = {each["metadata"]["name"] for each in of_kind(name, "ServiceAccount")}
    for workload in workloads(name):
        assert pod(workload)["spec"]["serviceAccountName"] in accounts
    for container in containers(name):
        assert {each["configMapRef"]["name"] for each in container.get("envFrom", ())} <= maps
        for each in container.get("env", ()):
            if each["valueFrom"] != {"fieldRef": {"fieldPath": "metadata.namespace"}}:
                secret = each["valueFrom"]["secretKeyRef"]
                assert secret["key"] in SECRETS[secret["name"]]


def test_no_secret_is_written_down(name: str) -> None:
    assert not of_kind(name, "Secret")
    assert not any("PASSWORD" in key or "KEY" in key or "URL" in key for key in settings(name))


def test_a_pod_has_no_right_that_it_does_not_need(name: str) -> None:
    for workload in workloads(name):
        spec = pod(workload)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(name):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    (namespace,) = of_kind(name, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_deployer_reads_no_secret_and_may_change_only_what_it_deploys(name: str) -> None:
    (role,) = of_kind(name, "Role")
    for rule in role["rules"]:
        assert not {"*", "secrets"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}
        if {"patch", "update", "delete"} & {*rule["verbs"]}:
            assert rule["resourceNames"]


def test_nobody_reaches_a_pod_and_no_pod_reaches_anybody_unless_a_policy_says_so(name: str) -> None:
    closed = named(name, "NetworkPolicy", "nobody")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in of_kind(name, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"]
            assert rule["ports"]
        for rule in policy["spec"].get("egress", ()):
            assert rule["ports"]


def test_resources_are_asked_for_within_their_limits(name: str) -> None:
    for container in containers(name):
        asked, limit = container["resources"]["requests"], container["resources"]["limits"]
        assert asked.keys() == {"cpu", "memory", "ephemeral-storage"}
        assert all(amount(asked[each]) <= amount(limit[each]) for each in limit)


def test_all_run_this_version(name: str) -> None:
    images = {each["image"] for workload in rendered(f"overlays/{name}") for each in _containers(workload)}
    assert {image.rpartition(":")[2] for image in images} == {__version__}


def _containers(workload: Object) -> list[Object]:
    made = workload["kind"] in ("Deployment", "CronJob")
    found: list[Object] = pod(workload)["spec"]["containers"] if made else []
    return found


def test_alerts_are_those_that_are_tested(name: str) -> None:
    (rule,) = of_kind(name, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text("utf-8"))
    assert alerts.WRITTEN.read_text("utf-8") == alerts.prometheus_rule(), "make rules"


def test_prometheus_calls_who_it_reads_as_the_rules_do(name: str) -> None:
    elsewhere = yaml.safe_load((RULES.parent / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    jobs = {}
    for monitor in of_kind(name, "PodMonitor"):
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        (relabeling,) = endpoint["relabelings"]
        assert relabeling["targetLabel"] == "job"
        jobs[relabeling["replacement"]] = selected(name, monitor["spec"]["selector"]["matchLabels"])
    called = {each["metadata"]["name"] for each in servers(name)}
    assert jobs == {"mcp-rag": called, "mcp-rag-worker": {"mcp-worker"}}
    assert set(jobs) == {each["job_name"] for each in elsewhere}
    asking = (RULES, *RULES.parent.rglob("dashboards/*.json"))
    asked = re.findall(r'\bjob=~?\\?"([^"\\]*)', "".join(each.read_text("utf-8") for each in asking))
    chosen = {job for pattern in asked for job in (*jobs, PUBLIC) if re.fullmatch(pattern, job)}
    assert chosen == {*jobs, PUBLIC}
    assert all(any(re.fullmatch(pattern, job) for job in chosen) for pattern in asked)


def test_it_is_reached_as_callers_reach_it(name: str) -> None:
    """The other way in of production leads to who is not called yet, and may not be ready."""
    (probe,) = of_kind(name, "Probe")
    assert probe["spec"]["jobName"] == PUBLIC
    (ingress,) = (each for each in of_kind(name, "Ingress") if each["metadata"]["name"] == "mcp-backend")
    (host,) = ingress["spec"]["tls"][0]["hosts"]
    assert probe["spec"]["targets"]["staticConfig"]["static"] == [f"https://{host}/health"]


def test_backups_are_made_and_tried_by_the_jobs_that_the_alerts_name(name: str) -> None:
    if name == "development":
        assert not of_kind(name, "CronJob")
        return
    named_by_alerts = set(re.findall(r'cronjob="([\w-]+)"', RULES.read_text("utf-8")))
    jobs = {each["metadata"]["name"]: each["spec"] for each in of_kind(name, "CronJob")}
    assert set(jobs) == named_by_alerts == {"mcp-backend-backup", "mcp-backend-restore-check"}
    for spec in jobs.values():
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["timeZone"] == "Etc/UTC"
        assert 0 < spec["startingDeadlineSeconds"] < 2 * 3600, "or the alert comes before the job"
    assert len({spec["schedule"] for spec in jobs.values()}) == 2


def test_a_job_that_makes_backups_has_time_for_each_try_and_to_take_out_what_is_half_made(name: str) -> None:
    for each in of_kind(name, "CronJob"):
        job = each["spec"]["jobTemplate"]["spec"]
        (container,) = _containers(each)
        program, seconds, script, *arguments = container["command"]
        assert (program, arguments[-2:]) == ("timeout", ["-e", "$(ENVIRONMENT)"])
        assert (SCRIPTS / script).is_file()
        assert "--here" in arguments
        stopping = pod(each)["spec"]["terminationGracePeriodSeconds"]
        assert job["activeDeadlineSeconds"] > (job["backoffLimit"] + 1) * (int(seconds) + stopping)


def test_each_setting_of_backups_is_one_that_somebody_reads(name: str) -> None:
    scripts = "".join(each.read_text("utf-8") for each in SCRIPTS.rglob("*.sh"))
    written = {
        key for each in of_kind(name, "CronJob") for one in _containers(each) for key in _given(name, one)
    }
    ours = {each for each in written if not each.startswith(("PG", "AWS_"))}
    assert all(f"${{{each}:-" in scripts for each in ours - {"ENVIRONMENT"})
    assert written == ours | ((LIBPQ | CREDENTIALS) if written else set())


def _given(name: str, container: Object) -> set[str]:
    maps = {each["configMapRef"]["name"] for each in container["envFrom"]}
    told = {
        key for each in of_kind(name, "ConfigMap") if each["metadata"]["name"] in maps for key in each["data"]
    }
    return told | {each["name"] for each in container["env"]}


def test_a_server_is_given_the_time_that_it_takes_to_leave(name: str) -> None:
    chosen = settings(name)
    drain, grace = float(chosen["MCP_RAG_DRAIN_SECONDS"]), float(chosen["MCP_RAG_GRACE_SECONDS"])
    for server in servers(name):
        spec = pod(server)["spec"]
        ready = spec["containers"][0]["readinessProbe"]
        assert spec["terminationGracePeriodSeconds"] > drain + grace
        assert ready["periodSeconds"] * ready["failureThreshold"] < drain
        assert server["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_two_colours_differ_in_nothing_but_their_colour(name: str) -> None:
    if name != "production":
        assert not selected(name, {"version": "blue"})
        return
    blue, green = (_without_colour(each, colour) for each, colour in zip(servers(name), COLOURS, strict=True))
    assert blue == green


def _without_colour(server: Object, colour: str) -> Any:
    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(each) for key, each in value.items()}
        if isinstance(value, list):
            return [cleaned(each) for each in value]
        return value.replace(colour, "COLOUR") if isinstance(value, str) else value

    return cleaned(server)


def test_what_operators_call_the_deployment_is_no_server_where_there_are_two(name: str) -> None:
    toolbox = named(name, "Deployment", "mcp-backend")
    if name != "production":
        assert toolbox in servers(name)
        return
    labels = pod(toolbox)["metadata"]["labels"]
    for each in of_kind(name, "Service"):
        assert not each["spec"]["selector"].items() <= labels.items()
    (container,) = pod(toolbox)["spec"]["containers"]
    assert {each["name"] for each in container["env"]} >= {"PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE"}
