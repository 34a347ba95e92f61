"""The names of the environments, with TLS: curl and node are told that they are here."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import trustme
from anyio.from_thread import start_blocking_portal

# What `connect-to` is to curl: another address, the same name.
NODE = """
const tls = require('node:tls');
const ports = %s;
const connect = tls.connect;
tls.connect = (options, ...others) => {
    const port = ports[options.servername];
    return connect(port ? { ...options, host: '127.0.0.1', port } : options, ...others);
};
"""


class Ingress:
    """Each host leads to a port of this machine, where HTTP is spoken."""

    def __init__(self, hosts: Mapping[str, int], folder: Path) -> None:
        """In `folder` are then `.curlrc`, `hosts.cjs` and the certificate of the authority."""
        self._hosts, self._folder = hosts, folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        portal = self._stack.enter_context(start_blocking_portal())
        authority = trustme.CA()
        self.authority = self._folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        ports: dict[str, int] = {}
        for host, port in self._hosts.items():
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert(host).configure_cert(context)
            server = portal.call(_listen, port, context)
            self._stack.callback(portal.call, server.close)
            ports[host] = server.sockets[0].getsockname()[1]
        told = [f'cacert = "{self.authority}"']
        told += [f'connect-to = "{host}:443:127.0.0.1:{port}"' for host, port in ports.items()]
        self.for_node = self._folder / "hosts.cjs"
        self.for_node.write_text(NODE % json.dumps(ports), encoding="utf-8")
        (self._folder / ".curlrc").write_text("\n".join(told) + "\n", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


async def _listen(port: int, context: ssl.SSLContext) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
