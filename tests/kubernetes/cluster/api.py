"""The API server that kubectl talks to: objects, watches, logs, and commands in pods over WebSocket.

No TLS, no admission, no server-side apply, no tables (`kubectl get` shows names and ages: scripts read JSON).
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web

from tests.kubernetes.cluster.containers import Containers
from tests.kubernetes.cluster.controllers import Controllers
from tests.kubernetes.cluster.faults import ExecFault, Faults
from tests.kubernetes.cluster.objects import KINDS, Event, Key, Kind, Matches, Object
from tests.kubernetes.cluster.patches import Refused, patched

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
CHANNELS = "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255


class Rule(NamedTuple):
    """What a role allows."""

    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    verbs: frozenset[str]

    @classmethod
    def all(cls, role: Object) -> "list[Rule]":
        fields = ("apiGroups", "resources", "resourceNames", "verbs")
        return [cls(*(frozenset(rule.get(each, ())) for each in fields)) for rule in role["rules"]]

    def allows(self, verb: str, group: str, resource: str, name: str) -> bool:
        named = not self.names or name in self.names
        return group in self.groups and resource in self.resources and verb in self.verbs and named


class Api:
    def __init__(
        self, controllers: Controllers, containers: Containers, faults: Faults, logs: Mapping[str, Path]
    ) -> None:
        """`logs` of what runs in pods, by their `version`."""
        self._controllers, self._containers, self._faults = controllers, containers, faults
        self._logs = logs
        self._objects = controllers.objects
        self.rules: dict[str, list[Rule]] = {}
        """What whoever calls may do, by namespace."""
        self.requests: list[str] = []
        """All that changed something, or was to."""

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._answered], client_max_size=2**24)
        app.router.add_get("/version", self._version)
        app.router.add_get("/api", self._core_versions)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/openapi/v3", self._descriptions)
        app.router.add_get("/openapi/v3/{group:.*}", self._description)
        for prefix in ("/api/{version:v1}", "/apis/{group}/{version:v[12]}"):
            app.router.add_get(prefix, self._resources)
            collection = f"{prefix}/namespaces/{{namespace}}/{{plural}}"
            app.router.add_get(f"{prefix}/{{plural}}", self._list)
            app.router.add_get(collection, self._list)
            app.router.add_post(collection, self._create)
            app.router.add_get(f"{collection}/{{name}}", self._get)
            app.router.add_put(f"{collection}/{{name}}", self._replace)
            app.router.add_patch(f"{collection}/{{name}}", self._patch)
            app.router.add_delete(f"{collection}/{{name}}", self._delete)
            app.router.add_get(f"{collection}/{{name}}/scale", self._get_scale)
            app.router.add_patch(f"{collection}/{{name}}/scale", self._scale)
            app.router.add_put(f"{collection}/{{name}}/scale", self._scale)
            app.router.add_get(f"{collection}/{{name}}/log", self._log)
            app.router.add_get(f"{collection}/{{name}}/exec", self._exec)
        return app

    @web.middleware
    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        asked = f"{request.method} {request.path_qs}"
        if request.method != "GET" or request.path.endswith("/exec"):
            self.requests.append(asked)
        fault = self._faults.of_request(asked)
        try:
            self._authorize(request)
            if fault and not fault.applied:
                raise _fault(fault.status)
            answer = await handler(request)
            if fault:
                raise _fault(fault.status)
        except Refused as refused:
            return _refusal(refused)
        return answer

    def _authorize(self, request: web.Request) -> None:
        about = request.match_info
        if "plural" not in about:
            return
        subresource = (
            request.path.rpartition("/")[2] if request.path.endswith(("/exec", "/log", "/scale")) else ""
        )
        resource = about["plural"] + (f"/{subresource}" if subresource else "")
        namespace, name = about.get("namespace", ""), about.get("name", "")
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
            request.method, "get"
        )
        if verb == "get" and not name:
            verb = "watch" if _true(request, "watch") else "list"
            selected = request.query.get("fieldSelector", "").partition("metadata.name=")[2]
            name = selected
        allowed = self.rules.get(namespace)
        if allowed is not None and not any(
            rule.allows(verb, about.get("group", ""), resource, name) for rule in allowed
        ):
            raise Refused(
                403, "Forbidden", f'{resource} "{name}" is forbidden: the deployer may not {verb} it'
            )

    # Discovery

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "32", "gitVersion": "v1.32.0"})

    async def _core_versions(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _: web.Request) -> web.Response:
        groups = []
        for name, number in sorted({(kind.group, kind.number) for kind in KINDS.values() if kind.group}):
            version = {"groupVersion": f"{name}/{number}", "version": number}
            groups.append({"name": name, "versions": [version], "preferredVersion": version})
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def _resources(self, request: web.Request) -> web.Response:
        kinds = _of_group(request.match_info.get("group", ""))
        found = [
            {"name": each.plural, "singularName": "", "namespaced": True, "kind": each.name, "verbs": VERBS}
            for each in kinds
        ]
        version = kinds[0].version
        return web.json_response({"kind": "APIResourceList", "groupVersion": version, "resources": found})

    async def _descriptions(self, _: web.Request) -> web.Response:
        paths = {_root(kind) for kind in KINDS.values()}
        return web.json_response(
            {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}
        )

    async def _description(self, request: web.Request) -> web.Response:
        """No more than that fields are checked here: kubectl then leaves it to us."""
        group = request.match_info["group"].removeprefix("apis/").removeprefix("api/")
        group = "" if group == "v1" else group.partition("/")[0]
        query = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
        paths = {
            f"/{_root(each)}/namespaces/{{namespace}}/{each.plural}/{{name}}": {
                "patch": {
                    "parameters": [query],
                    "responses": {},
                    "x-kubernetes-action": "patch",
                    "x-kubernetes-group-version-kind": {
                        "group": group,
                        "version": each.number,
                        "kind": each.name,
                    },
                }
            }
            for each in _of_group(group)
        }
        described = {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": paths}
        return web.json_response(described)

    # Objects

    async def _list(self, request: web.Request) -> web.StreamResponse:
        kind, matches = self._kind(request), _matching(request.query)
        namespace = request.match_info.get("namespace", "")
        if _true(request, "watch"):
            return await self._watch(request, kind, namespace, matches)
        items = self._objects.list(kind.plural, namespace, matches)
        metadata = {"resourceVersion": str(self._objects.version)}
        whole = {"kind": f"{kind.name}List", "apiVersion": kind.version, "metadata": metadata, "items": items}
        return web.json_response(whole)

    async def _watch(
        self, request: web.Request, kind: Kind, namespace: str, matches: Matches
    ) -> web.StreamResponse:
        def wanted(event: Event) -> bool:
            return event.object["metadata"]["namespace"] == namespace and matches(event.object)

        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        since = int(request.query.get("resourceVersion") or 0)
        with self._faults.watch_cut() as cut:
            if since == 0:
                # Who begins anew is first told what there is.
                since = self._objects.version
                for each in self._objects.list(kind.plural, namespace, matches):
                    await _send(answer, "ADDED", each)
            if cut:
                assert request.transport
                request.transport.abort()
                return answer
            async for event in self._objects.watch(kind.plural, since, wanted):
                await _send(answer, event.type, event.object)
        return answer

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._objects.get(self._key(request)))

    async def _create(self, request: web.Request) -> web.Response:
        kind, made = self._kind(request), await request.json()
        if _true(request, "dryRun"):
            return web.json_response(made, status=201)
        namespace = request.match_info["namespace"]
        return web.json_response(self._objects.create(kind.plural, namespace, made), status=201)

    async def _replace(self, request: web.Request) -> web.Response:
        key, made = self._key(request), await request.json()
        return web.json_response(self._update(key, made, request))

    async def _patch(self, request: web.Request) -> web.Response:
        key, patch = self._key(request), await request.json()
        made = patched(self._objects.get(key), patch, request.content_type)
        return web.json_response(self._update(key, made, request))

    def _update(self, key: Key, made: Object, request: web.Request) -> Object:
        present = self._objects.get(key)["metadata"]["resourceVersion"]
        if made["metadata"].get("resourceVersion", present) != present:
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on "{key.name}": it was modified')
        return made if _true(request, "dryRun") else self._objects.update(key, made)

    async def _delete(self, request: web.Request) -> web.Response:
        self._objects.delete(self._key(request))
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    async def _get_scale(self, request: web.Request) -> web.Response:
        return web.json_response(_scale_of(self._objects.get(self._key(request))))

    async def _scale(self, request: web.Request) -> web.Response:
        key, asked = self._key(request), await request.json()
        scaled = self._objects.get(key)
        scaled["spec"]["replicas"] = asked["spec"]["replicas"]
        return web.json_response(_scale_of(self._update(key, scaled, request)))

    async def _log(self, request: web.Request) -> web.Response:
        """To its end as it is now, also for who would follow it."""
        pod = self._objects.get(self._key(request))
        name = pod["metadata"]["name"]
        if _true(request, "previous"):
            raise Refused(400, "BadRequest", f"previous terminated container in pod {name} not found")
        log = self._logs.get(pod["metadata"]["labels"].get("version", ""))
        text = log.read_text(encoding="utf-8") if log else self._controllers.logs(pod)
        lines = text.splitlines(keepends=True)[-int(request.query.get("tailLines", 10**9)) :]
        return web.Response(text="".join(lines))

    def _kind(self, request: web.Request) -> Kind:
        kind = KINDS.get(request.match_info["plural"])
        if kind is None or kind.group != request.match_info.get("group", ""):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return kind

    def _key(self, request: web.Request) -> Key:
        about = request.match_info
        return Key(self._kind(request).plural, about["namespace"], about["name"])

    # Commands in pods

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        pod = self._objects.get(self._key(request))
        wanted = request.query.get("container", "")
        container = next(each for each in pod["spec"]["containers"] if wanted in ("", each["name"]))
        socket = web.WebSocketResponse(protocols=[CHANNELS], max_msg_size=0)
        await socket.prepare(request)
        command = request.query.getall("command")
        fault = self._faults.of_command(" ".join(command))
        if fault and not fault.after and fault.code is not None:
            command = ["sh", "-c", f"echo told to fail >&2; cat > /dev/null; exit {fault.code}"]
        process = await self._containers.start(pod, container, command)
        try:
            await self._attend(socket, process, fault, reads=_true(request, "stdin"))
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        return socket

    async def _attend(
        self,
        socket: web.WebSocketResponse,
        process: asyncio.subprocess.Process,
        fault: ExecFault | None,
        *,
        reads: bool,
    ) -> None:
        assert process.stdin and process.stdout and process.stderr
        if not reads:
            process.stdin.close()
        reading = asyncio.create_task(_feed(socket, process.stdin))
        limit = fault.after if fault and fault.after else None
        whole, _ = await asyncio.gather(
            _tell(socket, STDOUT, process.stdout, limit), _tell(socket, STDERR, process.stderr, None)
        )
        if not whole and process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        code = await process.wait()
        if fault and fault.after:
            code = fault.code or 0
        await socket.send_bytes(bytes([ERROR]) + json.dumps(_exit_status(code)).encode())
        await socket.close()
        reading.cancel()


async def _feed(socket: web.WebSocketResponse, stdin: asyncio.StreamWriter) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            channel, data = message.data[0], message.data[1:]
            try:
                if channel == STDIN:
                    stdin.write(data)
                    await stdin.drain()
                elif channel == CLOSE and data[0] == STDIN:
                    stdin.close()
            except (BrokenPipeError, ConnectionResetError):
                # It has ended without having read all.
                continue


async def _tell(
    socket: web.WebSocketResponse, channel: int, stream: asyncio.StreamReader, limit: int | None
) -> bool:
    """Send what comes, or its first bytes; whether it was all."""
    sent = 0
    while data := await stream.read(32768):
        if limit is not None and sent + len(data) > limit:
            await socket.send_bytes(bytes([channel]) + data[: limit - sent])
            return False
        sent += len(data)
        await socket.send_bytes(bytes([channel]) + data)
    return True


def _exit_status(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    cause = {"reason": "ExitCode", "message": str(code if code > 0 else 128 - code)}
    message = f"command terminated with non-zero exit code: exit status {cause['message']}"
    failed = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": message}
    return failed | {"details": {"causes": [cause]}}


async def _send(answer: web.StreamResponse, event: str, about: Object) -> None:
    await answer.write(json.dumps({"type": event, "object": about}).encode() + b"\n")


def _matching(query: Mapping[str, str]) -> Matches:
    """What a label selector and `metadata.name=` choose."""
    terms = [each.strip() for each in query.get("labelSelector", "").split(",") if each]
    name = query.get("fieldSelector", "").partition("metadata.name=")[2]

    def chosen(about: Object) -> bool:
        labels = about["metadata"].get("labels", {})
        right = all(_holds(labels, term) for term in terms)
        return right and name in ("", about["metadata"]["name"])

    return chosen


def _holds(labels: Mapping[str, str], term: str) -> bool:
    if "!=" in term:
        key, value = term.split("!=")
        return labels.get(key) != value
    key, _, value = term.replace("==", "=").partition("=")
    return labels.get(key) == value


def _scale_of(about: Object) -> Object:
    kept = {key: about["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    replicas = about["spec"].get("replicas", 1)
    whole: Object = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept}
    return whole | {"spec": {"replicas": replicas}, "status": {"replicas": replicas}}


def _of_group(group: str) -> list[Kind]:
    return [each for each in KINDS.values() if each.group == group]


def _root(kind: Kind) -> str:
    return f"apis/{kind.version}" if kind.group else "api/v1"


def _true(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") not in ("", "0", "false")


def _fault(status: int) -> Refused:
    reasons = {409: "Conflict", 500: "InternalError", 403: "Forbidden", 503: "ServiceUnavailable"}
    return Refused(status, reasons.get(status, "Unknown"), "the cluster was told to fail")


def _refusal(refused: Refused) -> web.Response:
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    status |= {"message": refused.message, "reason": refused.reason, "code": refused.status}
    return web.json_response(status, status=refused.status)
