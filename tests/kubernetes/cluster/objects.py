"""What an API server keeps: objects, their versions, and what happened to them."""

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.kubernetes.cluster.patches import Refused

Object = dict[str, Any]
Matches = Callable[[Object], bool]

STARTED = "2026-01-01T00:00:00Z"


class Kind(NamedTuple):
    group: str
    name: str
    plural: str
    number: str = "v1"

    @property
    def version(self) -> str:
        return f"{self.group}/{self.number}" if self.group else self.number


KINDS = {
    kind.plural: kind
    for kind in [
        Kind("", "Pod", "pods"),
        Kind("", "Service", "services"),
        Kind("", "Endpoints", "endpoints"),
        Kind("", "Event", "events"),
        Kind("", "ConfigMap", "configmaps"),
        Kind("apps", "Deployment", "deployments"),
        Kind("apps", "ReplicaSet", "replicasets"),
        Kind("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "v2"),
        Kind("batch", "CronJob", "cronjobs"),
        Kind("batch", "Job", "jobs"),
        Kind("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
        # What kubectl must only know, to pass it by.
        Kind("", "Namespace", "namespaces"),
        Kind("", "ServiceAccount", "serviceaccounts"),
        Kind("monitoring.coreos.com", "PodMonitor", "podmonitors"),
        Kind("monitoring.coreos.com", "Probe", "probes"),
        Kind("monitoring.coreos.com", "PrometheusRule", "prometheusrules"),
        Kind("networking.k8s.io", "Ingress", "ingresses"),
        Kind("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
        Kind("rbac.authorization.k8s.io", "Role", "roles"),
        Kind("rbac.authorization.k8s.io", "RoleBinding", "rolebindings"),
    ]
}
"""All that the scripts and the runbook touch, or read of."""


class Key(NamedTuple):
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Event:
    version: int
    type: str
    plural: str
    object: Object


class Objects:
    """Belongs to one event loop."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called after each change."""
        self._objects: dict[Key, Object] = {}
        self._events: list[Event] = []
        self._version = 0
        self._news = asyncio.Condition()
        self._changed = changed

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def get(self, key: Key) -> Object:
        if key not in self._objects:
            raise Refused(404, "NotFound", f'{key.plural} "{key.name}" not found')
        return copy.deepcopy(self._objects[key])

    def list(self, plural: str, namespace: str, matches: Matches = lambda _: True) -> list[Object]:
        return [
            copy.deepcopy(each)
            for key, each in self._objects.items()
            if key.plural == plural and namespace in ("", key.namespace) and matches(each)
        ]

    @property
    def version(self) -> int:
        return self._version

    def create(self, plural: str, namespace: str, made: Object) -> Object:
        kind, metadata = KINDS[plural], made["metadata"]
        key = Key(plural, namespace, metadata["name"])
        if key in self._objects:
            raise Refused(409, "AlreadyExists", f'{plural} "{key.name}" already exists')
        made = copy.deepcopy(made) | {"apiVersion": kind.version, "kind": kind.name}
        made["metadata"] |= {
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": STARTED,
        }
        self._put(key, made, "ADDED")
        return self.get(key)

    def update(self, key: Key, made: Object) -> Object:
        """Keep it if something changed; its generation counts what was wished."""
        before = self.get(key)
        if made == before:
            return before
        made = copy.deepcopy(made)
        if made.get("spec") != before.get("spec"):
            made["metadata"]["generation"] = before["metadata"]["generation"] + 1
        self._put(key, made, "MODIFIED")
        return self.get(key)

    def delete(self, key: Key) -> Object:
        gone = self.get(key)
        del self._objects[key]
        self._tell("DELETED", key.plural, gone)
        for child in self._owned(gone["metadata"]["uid"]):
            self.delete(child)
        return gone

    async def watch(self, plural: str, since: int, matches: Callable[[Event], bool]) -> AsyncIterator[Event]:
        """What happens after that version, and what has happened since."""
        heard = 0
        while True:
            fresh = self._events[heard:]
            heard += len(fresh)
            for event in fresh:
                if event.version > since and event.plural == plural and matches(event):
                    yield event
            async with self._news:
                while heard == len(self._events):
                    await self._news.wait()

    def _put(self, key: Key, made: Object, event: str) -> None:
        made["metadata"]["resourceVersion"] = str(self._version + 1)
        self._objects[key] = made
        self._tell(event, key.plural, made)

    def _tell(self, event: str, plural: str, about: Object) -> None:
        self._version += 1
        about = copy.deepcopy(about)
        about["metadata"]["resourceVersion"] = str(self._version)
        self._events.append(Event(self._version, event, plural, about))
        self._wake = asyncio.ensure_future(self._notify())
        self._changed()

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _owned(self, uid: str) -> Iterator[Key]:
        for key, each in list(self._objects.items()):
            if key in self._objects and uid in {
                o["uid"] for o in each["metadata"].get("ownerReferences", ())
            }:
                yield key


def selecting(labels: Mapping[str, str]) -> Matches:
    return lambda each: labels.items() <= each["metadata"].get("labels", {}).items()


def controlled_by(owner: Object) -> list[Object]:
    kind = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    metadata = owner["metadata"]
    return [{**kind, "name": metadata["name"], "uid": metadata["uid"], "controller": True}]
