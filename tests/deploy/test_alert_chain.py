"""From calls that fail to the people on call: a real server, Prometheus, Alertmanager, a hook as Slack's."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
import yaml
from aiohttp import web

from tests.cli.command import PATIENCE
from tests.conftest import eventually
from tests.deploy.test_monitoring import MONITORING, RULES
from tests.free_ports import free_port
from tests.http.process import Service
from tests.http.running import caller
from tests.operations.prometheus import Prometheus, running, watching

pytestmark = pytest.mark.operations

MINUTES = re.compile(r"(\d+)m")


class Hook:
    """What Slack would be told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.told.append(json.loads(await request.read()))
        return web.Response(text="ok")

    def titles(self, channel: str) -> list[str]:
        return [each["attachments"][0]["title"] for each in self.told if each["channel"] == channel]


@pytest.fixture
async def hook() -> AsyncIterator[tuple[Hook, str]]:
    """And where it is."""
    hook, port = Hook(), free_port()
    app = web.Application()
    app.router.add_post("/hook", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield hook, f"http://127.0.0.1:{port}/hook"
    await runner.cleanup()


@pytest.fixture
def alertmanager(hook: tuple[Hook, str], tmp_path: Path) -> Iterator[str]:
    """As it is shipped, but for where the secret lies; its address."""
    secret, config = tmp_path / "slack_url", tmp_path / "alertmanager.yml"
    secret.write_text(hook[1], encoding="utf-8")
    shipped = (MONITORING / "alertmanager.yml").read_text(encoding="utf-8")
    assert "/run/secrets/slack_url" in shipped
    config.write_text(shipped.replace("/run/secrets/slack_url", str(secret)), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with running(tmp_path / "alertmanager.log", *command):
        yield address


class Watched:
    """A server, and who reads it."""

    def __init__(self, url: str, prometheus: Prometheus, alertmanager: str) -> None:
        self.url, self.prometheus, self.alertmanager = url, prometheus, alertmanager

    async def call(self, path: str, times: int) -> list[int]:
        async with caller(self.url) as client:
            answers = [await client.post(path, json={"query": "walrus"}) for _ in range(times)]
        return [answer.status_code for answer in answers]

    def states(self) -> dict[str, str]:
        """Of each alert that Alertmanager has, whether it is told: "active", or "suppressed"."""
        alerts = httpx2.get(f"{self.alertmanager}/api/v2/alerts", timeout=PATIENCE).json()
        return {each["labels"]["alertname"]: each["status"]["state"] for each in alerts}


@pytest.fixture
async def watched(database_url: str, alertmanager: str, tmp_path: Path) -> AsyncIterator[Watched]:
    """The rules are those that are shipped, but that a minute of waiting is ten seconds (see rules/)."""
    rules = tmp_path / "rules.yml"
    hasty = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for rule in (rule for group in hasty["groups"] for rule in group["rules"]):
        # Not none at all: that an alert comes before another is what keeps the other from being told.
        if found := MINUTES.fullmatch(rule.get("for", "")):
            rule["for"] = f"{10 * int(found[1])}s"
    rules.write_text(yaml.safe_dump(hasty), encoding="utf-8")
    config: dict[str, Any] = {
        "scrape_configs": [{"job_name": "mcp-rag"}],
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }
    async with Service(tmp_path, database_url) as service:
        with watching(service.probes, config, tmp_path) as prometheus:
            await eventually(prometheus.is_up, within=PATIENCE)
            yield Watched(service.url, prometheus, f"http://{alertmanager}")


async def test_calls_that_fail_are_told_to_the_people_on_call_with_what_to_do(
    watched: Watched, hook: tuple[Hook, str], owner: asyncpg.Connection
) -> None:
    told, _ = hook

    async def are_counted(*, failures: bool) -> bool:
        """While more come: of a series that was not there before, Prometheus sees no increase."""
        assert all((status >= 500) is failures for status in await watched.call("/search", 5))
        ratio = watched.prometheus.value("mcp_rag:errors:ratio_rate5m")
        calls = watched.prometheus.value("mcp_rag:requests:rate5m")
        return bool(calls) and ratio is not None and (ratio > 0.01) is failures

    await eventually(lambda: are_counted(failures=False), within=PATIENCE)
    assert told.titles("#mcp-rag-on-call") == []
    await owner.execute("ALTER TABLE passage RENAME TO what_a_bad_change_has_done")
    await eventually(lambda: are_counted(failures=True), within=PATIENCE)

    async def on_call_knows() -> bool:
        return "ErrorRateRollback (firing)" in told.titles("#mcp-rag-on-call")

    await eventually(on_call_knows, within=PATIENCE)
    (alert,) = [each for each in told.told if "ErrorRateRollback" in each["attachments"][0]["title"]]
    text = alert["attachments"][0]["text"]
    assert "of calls fail: roll back." in text
    assert "README.md#errorraterollback|What to do" in text

    async def the_budget_burns() -> bool:
        """The alert that comes after the first; it is not told while that is there."""
        await watched.call("/search", 5)
        return watched.states().get("ErrorBudgetBurnsFast") == "suppressed"

    await eventually(the_budget_burns, within=PATIENCE)
    assert watched.states()["ErrorRateRollback"] == "active"
    assert not any("ErrorBudget" in title for title in told.titles("#mcp-rag-on-call"))
