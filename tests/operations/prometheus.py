"""A real Prometheus that reads one server, and what it answers."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.cli.command import PATIENCE, ended
from tests.free_ports import free_port

Labels = frozenset[tuple[str, str]]


class Refused(Exception):
    """Prometheus does not understand a query."""


class Prometheus:
    """Its API, at a base URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str) -> dict[Labels, float]:
        """What a query gives now: a value for each series, by its labels."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=PATIENCE).json()
        if answer["status"] != "success":
            raise Refused(answer["error"])
        assert answer["data"]["resultType"] == "vector"
        return {
            frozenset(each["metric"].items()): float(each["value"][1]) for each in answer["data"]["result"]
        }

    def value(self, query: str) -> float | None:
        """The one value that a query gives; None where it gives none."""
        found = list(self.ask(query).values())
        assert len(found) <= 1, found
        return found[0] if found else None

    async def is_up(self) -> bool:
        """Whether it has read the server."""
        try:
            starts = httpx2.get(f"{self.url}/-/ready", timeout=PATIENCE).status_code != 200
            return not starts and self.value("sum(up)") == 1
        except httpx2.TransportError:
            return False


@contextmanager
def running(log: Path, *command: str) -> Iterator[None]:
    """A program, from its start until it is told to end; then it must have ended well."""
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield
    finally:
        ended(process)
    assert process.returncode == 0, log.read_text()


@contextmanager
def watching(probes: str, config: dict[str, Any], folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with this configuration that reads the server with its probes there, every second."""
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [probes.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with running(folder / "prometheus.log", *command):
        yield Prometheus(f"http://{address}")
