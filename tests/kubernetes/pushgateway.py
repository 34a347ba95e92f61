"""Who keeps for Prometheus what scripts tell: takes it, and shows it to a test."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Pushgateway:
    def __init__(self) -> None:
        self.pushed: dict[str, float] = {}
        """Values by metric and environment, with a slash between."""
        self.away = False
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status = 503 if gateway.away else gateway._take(self.path, text)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _take(self, path: str, text: str) -> int:
        """As the real one: a group's labels are in the path, a type is said before a value."""
        prefix, _, environment = path.rpartition("/environment/")
        if prefix != "/metrics/job/mcp-rag-backups" or not text.endswith("\n"):
            return 400
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.split(" ")
                self.pushed[f"{name}/{environment}"] = float(value)
        return 200
