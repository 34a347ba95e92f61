"""nginx as a process, and what tells it which of our processes are ready."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.conftest import eventually
from tests.free_ports import free_port
from tests.http.process import PATIENCE, reached

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONFIGURATION = Path(__file__).parent / "nginx.conf"
UPSTREAM = """\
upstream any {{
    least_conn;
    {servers}
    keepalive 32;
    keepalive_timeout 60s;
}}
upstream same {{
    hash $http_authorization$remote_addr consistent;
    {servers}
    keepalive 32;
    keepalive_timeout 60s;
}}
"""
PLACE = """\
upstream {name} {{
    server 127.0.0.1:{port};
    keepalive 32;
    keepalive_timeout 60s;
}}
"""


class Proxy:
    """Sends calls to the processes that it was told of last."""

    def __init__(self, folder: Path, processes: Mapping[str, int]) -> None:
        """`processes`: the port of each, by a name."""
        self._folder = folder
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir()
        self._write(processes)
        filled = CONFIGURATION.read_text(encoding="utf-8")
        for name, value in {"@port@": port, "@places@": folder, "@run@": folder}.items():
            filled = filled.replace(name, str(value))
        self._put("nginx.conf", filled)
        assert NGINX, "nginx is not installed"
        self._process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"])

    async def __aenter__(self) -> Self:
        await eventually(lambda: reached(f"{self.url}/version"), within=PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)

    def serve(self, processes: Mapping[str, int]) -> None:
        """From now on by these; what the others have in hand they finish."""
        self._write(processes)
        self._process.send_signal(signal.SIGHUP)

    def _write(self, processes: Mapping[str, int]) -> None:
        servers = "\n    ".join(f"server 127.0.0.1:{port};" for port in processes.values())
        places = "".join(PLACE.format(name=name, port=port) for name, port in processes.items())
        self._put("upstream.conf", UPSTREAM.format(servers=servers) + places)
        self._put("sessions.conf", "".join(f"{name} {name};\n" for name in processes))
        cookie = '"~127.0.0.1:{port}$" "mcp_rag_place={name}; Path=/; HttpOnly; SameSite=Strict";\n'
        self._put("cookies.conf", "".join(cookie.format(name=n, port=p) for n, p in processes.items()))

    def _put(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8")
