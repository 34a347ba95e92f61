"""What is rendered, and what in it belongs together."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.kubectl import kubectl

ROOT = Path(__file__).parents[2] / "deploy" / "kubernetes"
ENVIRONMENTS = ("development", "staging", "production")
COLOURS = ("blue", "green")

Object = Mapping[str, Any]


@cache
def rendered(folder: str) -> list[Object]:
    return list(yaml.safe_load_all(kubectl("kustomize", ROOT / folder)))


@cache
def environment(name: str) -> list[Object]:
    """All that is there once it is set up: what is applied, what is made once, and what runs to its end."""
    made_once = (ROOT / "components" / "blue-green" / "services.yaml").read_text(encoding="utf-8")
    services = list(yaml.safe_load_all(made_once)) if name == "production" else []
    return [*rendered(f"overlays/{name}"), *services, *rendered("jobs")]


def of_kind(name: str, *kinds: str) -> list[Object]:
    return [each for each in environment(name) if each["kind"] in kinds]


def named(name: str, kind: str, called: str) -> Object:
    (found,) = (each for each in of_kind(name, kind) if each["metadata"]["name"] == called)
    return found


def workloads(name: str) -> list[Object]:
    """What makes pods."""
    return of_kind(name, "Deployment", "Job", "CronJob")


def pod(workload: Object) -> Object:
    spec: Object = workload["spec"]
    found: Object = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return found


def containers(name: str) -> Iterator[Object]:
    for workload in workloads(name):
        yield from pod(workload)["spec"]["containers"]


def selected(name: str, selector: Mapping[str, str]) -> set[str]:
    """The workloads whose pods have these labels."""
    return {
        each["metadata"]["name"]
        for each in workloads(name)
        if selector.items() <= pod(each)["metadata"]["labels"].items()
    }


def ports(container: Object) -> set[str]:
    return {port["name"] for port in container.get("ports", ())}
