"""S3 on this machine for the real client, with faults to order on the way to it."""

import os
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

from aiohttp import ClientSession, web
from anyio.from_thread import start_blocking_portal

from tests.free_ports import free_port
from tests.kubernetes.cluster.faults import Fault
from tests.resident.household import eventually

PROGRAMS = Path(sys.executable).parent
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
    # moto gives a copied object a checksum that it has not. The scripts compare one of their own.
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
SCOPE = "any/20260101/us-east-1/s3/aws4_request"
HEADERS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=any",
    # Or what is sent is taken for a form.
    "Content-Type": "application/octet-stream",
}
BUCKET = "mcp-demo-backups"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Storage:
    """A server with one bucket."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.spoiled = ""
        """Objects whose path ends like this are given out with a byte changed."""
        self._port = free_port()
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        address = ("-H", "127.0.0.1", "-p", str(self._port))
        self._server = subprocess.Popen([PROGRAMS / "moto_server", *address], env=dict(os.environ), **silent)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        eventually(self._is_up)
        portal = self._stack.enter_context(start_blocking_portal())
        self._stack.callback(portal.call, self._stop)
        self.url = f"http://127.0.0.1:{portal.call(self._listen)}"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._server.kill()
        self._server.wait()

    def reset(self) -> None:
        """Empty, and well."""
        self.faults.clear()
        self.spoiled = ""
        self._ask("POST", "moto-api/reset")
        self._ask("PUT", BUCKET)

    def every(self) -> list[str]:
        whole = ElementTree.fromstring(self._ask("GET", f"{BUCKET}?list-type=2"))
        return [found.text or "" for found in whole.iter(f"{NAMESPACE}Key")]

    def read(self, key: str) -> bytes:
        return self._ask("GET", f"{BUCKET}/{key}")

    def write(self, key: str, content: bytes) -> None:
        self._ask("PUT", f"{BUCKET}/{key}", content)

    def delete(self, key: str) -> None:
        self._ask("DELETE", f"{BUCKET}/{key}")

    def _ask(self, method: str, path: str, content: bytes | None = None) -> bytes:
        url = f"http://127.0.0.1:{self._port}/{path}"
        request = urllib.request.Request(url, data=content, method=method, headers=HEADERS)
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())

    def _is_up(self) -> bool:
        with suppress(OSError):
            return bool(self._ask("GET", "moto-api/"))
        return False

    async def _listen(self) -> int:
        self._session = ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        asked = f"{request.method} {request.path_qs}"
        fault = next((each for each in self.faults if each.strikes(asked)), None)
        if fault:
            return web.Response(status=fault.status)
        url = f"http://127.0.0.1:{self._port}{request.raw_path}"
        body = await request.read()
        async with self._session.request(request.method, url, headers=request.headers, data=body) as answer:
            content = await answer.read()
            if self.spoiled and request.method == "GET" and request.path.endswith(self.spoiled):
                content = content[:-1] + bytes([content[-1] ^ 1])
            headers = {
                k: v for k, v in answer.headers.items() if k not in ("Transfer-Encoding", "Connection")
            }
            return web.Response(status=answer.status, headers=headers, body=content)
