"""The whole: an API server and its controllers in a thread, and services that lead to processes."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar

from aiohttp import web
from anyio.from_thread import start_blocking_portal

from tests.kubernetes.cluster.api import Api, Rule
from tests.kubernetes.cluster.containers import Containers
from tests.kubernetes.cluster.controllers import Controllers, ready_pods
from tests.kubernetes.cluster.faults import Faults
from tests.kubernetes.cluster.objects import KINDS, Key, Object
from tests.kubernetes.cluster.patches import Refused

T = TypeVar("T")
PLURALS = {kind.name: plural for plural, kind in KINDS.items()}
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SECONDS = 30


class Cluster:
    """Entered, it has the objects it was given, and their pods; left, it is gone."""

    def __init__(
        self,
        environments: Mapping[str, list[Object]],
        home: Path,
        secrets: dict[str, dict[str, str]],
        roles: Mapping[str, Object],
    ) -> None:
        """`environments` by namespace; `roles` say what whoever calls may do there."""
        self.faults = Faults()
        self.processes: dict[str, int] = {}
        """The port of what runs in a pod, by the pod's `version`; "" for one without."""
        self.services: dict[tuple[str, str], int] = {}
        """The port on which a service of a namespace is reached."""
        self.logs: dict[str, Path] = {}
        """Where what runs in a pod writes its log, by the pod's `version`."""
        self._environments, self._home, self._roles = environments, home, roles
        settings = {
            (namespace, each["metadata"]["name"]): dict(each["data"])
            for namespace, objects in environments.items()
            for each in objects
            if each["kind"] == "ConfigMap"
        }
        self.containers = Containers(secrets, settings, home)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._stack.callback(self._portal.call, self._stop)
        self._portal.call(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # What a test asks, and orders

    def get(self, plural: str, namespace: str, name: str) -> Object:
        return self._do(lambda: self._controllers.objects.get(Key(plural, namespace, name)))

    def every(self, plural: str, namespace: str) -> list[Object]:
        return self._do(lambda: self._controllers.objects.list(plural, namespace))

    def update(self, plural: str, namespace: str, name: str, change: Callable[[Object], None]) -> None:
        """What somebody else does."""
        self._do(lambda: self.edit(plural, namespace, name, change))

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """What somebody else takes away."""
        self._do(lambda: self._controllers.objects.delete(Key(plural, namespace, name)))

    def edit(self, plural: str, namespace: str, name: str, change: Callable[[Object], None]) -> None:
        """The same, `meanwhile`: for the cluster's own thread."""
        key = Key(plural, namespace, name)
        about = self._controllers.objects.get(key)
        change(about)
        self._controllers.objects.update(key, about)

    def stick(self, deployment: str) -> None:
        """From now on its new pods never become ready."""
        self._do(lambda: self._controllers.stuck.add(deployment))

    def make_unready(self, deployment: str) -> None:
        """Its pods are up, and say that they are not ready."""
        self._do(lambda: self.spoil(deployment))

    def spoil(self, deployment: str) -> None:
        """The same, `meanwhile`."""
        self._controllers.unready.add(deployment)
        self._controllers.look_again()

    @property
    def changes(self) -> list[str]:
        """The requests that were to change something, or to run something, so far."""
        return list(self._api.requests)

    def kubeconfig(self, path: Path, current: str) -> Path:
        """A file for kubectl, with a context for each namespace."""
        contexts = [
            {"name": each, "context": {"cluster": "local", "user": "deployer", "namespace": each}}
            for each in self._environments
        ]
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "deployer", "user": {}}],
            "contexts": contexts,
            "current-context": current,
        }
        path.write_text(json.dumps(written), encoding="utf-8")
        return path

    # Its life

    async def _start(self) -> None:
        self._controllers = Controllers(self.containers)
        self._api = Api(self._controllers, self.containers, self.faults, self.logs)
        self._running = asyncio.create_task(self._controllers.run())
        self._runner = web.AppRunner(self._api.application(), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._proxies: list[asyncio.Server] = []
        for namespace, objects in self._environments.items():
            for each in objects:
                await self._add(namespace, each)
        await self._settled()
        self._api.rules = {name: Rule.all(role) for name, role in self._roles.items()}

    async def _add(self, namespace: str, about: Object) -> None:
        plural = PLURALS.get(about["kind"])
        if plural and plural != "jobs":
            name = self._controllers.objects.create(plural, namespace, _as_applied(about))["metadata"]["name"]
            if plural == "services":
                await self._listen(namespace, name)

    async def _settled(self) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                before = self._controllers.objects.version
                await asyncio.sleep(0.02)
                if before == self._controllers.objects.version:
                    return

    async def _stop(self) -> None:
        self._running.cancel()
        for proxy in self._proxies:
            proxy.close()
        await self._runner.cleanup()

    async def _listen(self, namespace: str, service: str) -> None:
        """Each connection to a service goes to one of its pods, as they are at that moment."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with _closed(writer), suppress(Refused, StopIteration, OSError):
                pod = next(ready_pods(self._controllers.objects, namespace, service))
                port = self.processes[pod["metadata"]["labels"].get("version", "")]
                there, back = await asyncio.open_connection("127.0.0.1", port)
                with _closed(back):
                    await asyncio.gather(_copy(reader, back), _copy(there, writer))

        proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._proxies.append(proxy)
        self.services[namespace, service] = proxy.sockets[0].getsockname()[1]

    def _do(self, work: Callable[[], T]) -> T:
        async def done() -> T:
            result = work()
            await self._settled()
            return result

        return self._portal.call(done)


def _as_applied(about: Object) -> Object:
    """With the note that `kubectl apply` leaves, of what it was given."""
    metadata = about["metadata"]
    given = about | {"metadata": metadata | {"annotations": metadata.get("annotations", {})}}
    note = json.dumps(given, sort_keys=True, separators=(",", ":")) + "\n"
    return about | {
        "metadata": metadata | {"annotations": given["metadata"]["annotations"] | {APPLIED: note}}
    }


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@contextmanager
def _closed(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.close()
