"""What makes wishes come true: pods for deployments, endpoints for services, an end for jobs."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.kubernetes.cluster.containers import Containers
from tests.kubernetes.cluster.objects import Key, Object, Objects, controlled_by, selecting

REVISION = "deployment.kubernetes.io/revision"


class Controllers:
    """Looks at everything again after each change."""

    def __init__(self, containers: Containers) -> None:
        self.objects = Objects(self._wake_up)
        self.stuck: set[str] = set()
        """Deployments whose new pods never become ready."""
        self.unready: set[str] = set()
        """Deployments all of whose pods are up and not ready."""
        self._containers = containers
        self._changed = asyncio.Event()
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._addresses = 0
        self._logs: dict[str, str] = {}

    def logs(self, pod: Object) -> str:
        return self._logs.get(pod["metadata"]["uid"], f"{pod['metadata']['name']} is up\n")

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for deployment in self.objects.list("deployments", ""):
                self._reconcile(deployment)
            for service in self.objects.list("services", ""):
                self._find_endpoints(service)
            for job in self.objects.list("jobs", ""):
                if job["metadata"]["uid"] not in self._jobs:
                    self._jobs[job["metadata"]["uid"]] = asyncio.create_task(self._work(job))

    def look_again(self) -> None:
        self._changed.set()

    def _wake_up(self) -> None:
        self._changed.set()

    def _reconcile(self, deployment: Object) -> None:
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        wanted = deployment["spec"].setdefault("replicas", 1)
        fresh = self._replicas(deployment)
        pods = self.objects.list("pods", namespace, selecting(deployment["spec"]["selector"]["matchLabels"]))
        new = [pod for pod in pods if _owner(pod) == fresh["metadata"]["uid"]]
        old = [pod for pod in pods if pod not in new]
        for pod in new[wanted:]:
            self._delete(pod)
        for _ in range(wanted - len(new)):
            self._make_pod(fresh["spec"]["template"], fresh, ready=name not in self.stuck)
        new = self.objects.list("pods", namespace, lambda pod: _owner(pod) == fresh["metadata"]["uid"])
        for pod in new:
            self._set_ready(pod, name not in self.stuck | self.unready)
        if sum(map(is_ready, new)) == wanted:
            for pod in old:
                self._delete(pod)
            old = []
        self._tell_status(deployment, new, old)

    def _replicas(self, deployment: Object) -> Object:
        """The replica set of what the deployment is to run; each new one is a revision."""
        template, namespace = deployment["spec"]["template"], deployment["metadata"]["namespace"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        key = Key("replicasets", namespace, f"{deployment['metadata']['name']}-{digest}")
        uid = deployment["metadata"]["uid"]
        known = self.objects.list("replicasets", namespace, lambda each: _owner(each) == uid)
        newest = max((int(each["metadata"]["annotations"][REVISION]) for each in known), default=0)
        if key not in self.objects:
            template = json.loads(json.dumps(template))
            template["metadata"]["labels"]["pod-template-hash"] = digest
            labels = template["metadata"]["labels"]
            made = {
                "metadata": {
                    "name": key.name,
                    "labels": labels,
                    "ownerReferences": controlled_by(deployment),
                },
                "spec": {"selector": {"matchLabels": labels}, "template": template, "replicas": 0},
            }
            made["metadata"]["annotations"] = {REVISION: str(newest + 1)}
            self.objects.create("replicasets", namespace, made)
        found = self.objects.get(key)
        current = deployment["metadata"].get("annotations", {}).get(REVISION)
        if current != found["metadata"]["annotations"][REVISION]:
            if int(found["metadata"]["annotations"][REVISION]) < newest:
                found["metadata"]["annotations"][REVISION] = str(newest + 1)
                found = self.objects.update(key, found)
            self._annotate(deployment, found["metadata"]["annotations"][REVISION])
        return found

    def _annotate(self, deployment: Object, revision: str) -> None:
        deployment["metadata"].setdefault("annotations", {})[REVISION] = revision
        self.objects.update(key_of("deployments", deployment), deployment)

    def _make_pod(self, template: Object, owner: Object, *, ready: bool) -> Object:
        self._addresses += 1
        name = f"{owner['metadata']['name']}-{self._addresses:05}"
        made = {
            "metadata": {
                "name": name,
                "labels": template["metadata"]["labels"],
                "ownerReferences": controlled_by(owner),
            },
            "spec": template["spec"],
            "status": {"phase": "Running", "podIP": f"192.0.2.{self._addresses % 254 + 1}"},
        }
        pod = self.objects.create("pods", owner["metadata"]["namespace"], made)
        return self._set_ready(pod, ready)

    def _set_ready(self, pod: Object, ready: bool) -> Object:
        pod["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
        pod["status"]["containerStatuses"] = [
            {"name": each["name"], "ready": ready, "restartCount": 0, "image": each["image"]}
            for each in pod["spec"]["containers"]
        ]
        return self.objects.update(key_of("pods", pod), pod)

    def _delete(self, pod: Object) -> None:
        self.objects.delete(key_of("pods", pod))

    def _tell_status(self, deployment: Object, new: list[Object], old: list[Object]) -> None:
        key = key_of("deployments", deployment)
        deployment = self.objects.get(key)
        ready = sum(map(is_ready, [*new, *old]))
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(new) + len(old),
            "updatedReplicas": len(new),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": len(new) + len(old) - ready,
            "conditions": [{"type": "Available", "status": str(ready > 0), "reason": "", "message": ""}],
        }
        self.objects.update(key, deployment)

    def _find_endpoints(self, service: Object) -> None:
        metadata = service["metadata"]
        pods = self.objects.list("pods", metadata["namespace"], selecting(service["spec"]["selector"]))
        addresses = [
            {"ip": pod["status"]["podIP"], "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]}}
            for pod in pods
            if is_ready(pod)
        ]
        ports = [{"name": each["name"], "port": 8000} for each in service["spec"]["ports"]]
        subsets = [{"addresses": addresses, "ports": ports}] if addresses else []
        key = Key("endpoints", metadata["namespace"], metadata["name"])
        if key not in self.objects:
            self.objects.create(
                "endpoints", key.namespace, {"metadata": {"name": key.name}, "subsets": subsets}
            )
        self.objects.update(key, self.objects.get(key) | {"subsets": subsets})

    async def _work(self, job: Object) -> None:
        """Run it until it succeeds, or has failed as often as it may."""
        key = key_of("jobs", job)
        job = self._set_status(key, {"active": 1})
        for failed in range(job["spec"].get("backoffLimit", 6) + 1):
            pod = self._make_pod(job["spec"]["template"], job, ready=True)
            (container,) = pod["spec"]["containers"]
            code, said = await self._containers.run_to_its_end(pod, container)
            if key not in self.objects:
                return
            self._logs[pod["metadata"]["uid"]] = said
            pod["status"]["phase"] = "Failed" if code else "Succeeded"
            self.objects.update(key_of("pods", pod), self._set_ready(pod, False))
            if code == 0:
                self._set_status(
                    key, {"succeeded": 1, "failed": failed, "conditions": _condition("Complete")}
                )
                return
        condition = _condition("Failed", reason="BackoffLimitExceeded")
        self._set_status(key, {"failed": failed + 1, "conditions": condition})

    def _set_status(self, key: Key, status: Object) -> Object:
        job = self.objects.get(key)
        labels = {"controller-uid": job["metadata"]["uid"], "job-name": key.name}
        job["spec"]["template"]["metadata"]["labels"] |= labels
        job["spec"]["selector"] = {"matchLabels": {"controller-uid": job["metadata"]["uid"]}}
        return self.objects.update(key, job | {"status": status})


def key_of(plural: str, about: Object) -> Key:
    return Key(plural, about["metadata"]["namespace"], about["metadata"]["name"])


def is_ready(pod: Object) -> bool:
    return {"type": "Ready", "status": "True"} in pod["status"]["conditions"]


def _owner(about: Object) -> str | None:
    return next((each["uid"] for each in about["metadata"].get("ownerReferences", ())), None)


def _condition(kind: str, **others: Any) -> list[Object]:
    return [{"type": kind, "status": "True", **others}]


def ready_pods(objects: Objects, namespace: str, service: str) -> Iterator[Object]:
    """Those that a service leads to at this moment."""
    for subset in objects.get(Key("endpoints", namespace, service))["subsets"]:
        for address in subset["addresses"]:
            yield objects.get(Key("pods", namespace, address["targetRef"]["name"]))
