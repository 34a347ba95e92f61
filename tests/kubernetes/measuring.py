"""A real Prometheus with the rules of the project, and servers whose counters a test moves."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.kubernetes.standing_in import StandIn
from tests.operations.prometheus import Prometheus, watching
from tests.resident.household import eventually

RULES = Path(__file__).parents[2] / "deploy" / "monitoring" / "rules.yml"
SEEN = "mcp_rag:errors:ratio_rate5m and on() (rate(http_requests_total[5m]) > 0)"


class Servers(StandIn):
    """What Prometheus reads of them. Each time it reads, they have been called a hundred times more."""

    def __init__(self) -> None:
        self.failing = False
        """Whether every tenth call fails from now on."""
        self.restarting = ""
        """The namespace whose pods start again and again."""
        self.away = False
        self._counted = {"200": 0, "500": 0}
        self._restarts = {"production": 0, "staging": 0}
        super().__init__()

    def answer(self, path: str, body: str) -> tuple[int, str]:
        return (503 if self.away else 200), self._told()

    def _told(self) -> str:
        self._counted["200"] += 100
        self._counted["500"] += 10 if self.failing else 0
        if self.restarting:
            self._restarts[self.restarting] += 10
        restarts = 'kube_pod_container_status_restarts_total{{container="mcp-backend",namespace="{}"}} {}\n'
        lines = [f'http_requests_total{{status="{status}"}} {n}\n' for status, n in self._counted.items()]
        return "".join([*lines, *(restarts.format(*each) for each in self._restarts.items())])


def impatient(rules: dict[str, Any]) -> dict[str, Any]:
    """The rules, but that an alert fires as soon as it is true."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return rules


class Measured:
    """The servers, and the Prometheus that reads them."""

    def __init__(self, servers: Servers, prometheus: Prometheus) -> None:
        self.servers, self.prometheus = servers, prometheus

    @property
    def url(self) -> str:
        return self.prometheus.url

    def fires(self, alert: str) -> bool:
        return bool(self.prometheus.ask(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))


@contextmanager
def measured(folder: Path) -> Iterator[Measured]:
    """It has read the servers, and nothing fires."""
    rules = folder / "rules.yml"
    rules.write_text(yaml.safe_dump(impatient(yaml.safe_load(RULES.read_text(encoding="utf-8")))))
    config: dict[str, Any] = {"scrape_configs": [{"job_name": "mcp-rag"}], "rule_files": [str(rules)]}
    with Servers() as servers, watching(servers.url, config, folder) as prometheus:
        eventually(lambda: _reads(prometheus))
        yield Measured(servers, prometheus)


def _reads(prometheus: Prometheus) -> bool:
    with suppress(httpx2.TransportError):
        ready = httpx2.get(f"{prometheus.url}/-/ready").status_code == 200
        return ready and bool(prometheus.ask(SEEN))
    return False
