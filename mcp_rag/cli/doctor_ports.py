"""The doctor's look at the ports of `serve`, and at what answers there."""

import ipaddress

import httpx2
from pydantic import BaseModel, ValidationError

from mcp_rag import __version__
from mcp_rag.cli import ports
from mcp_rag.cli.checks import Check, fine, poor, skipped
from mcp_rag.errors import InvalidSettings
from mcp_rag.settings import Settings

TIMEOUT = httpx2.Timeout(5, connect=1)
"""Longer than a server looks for a database that does not answer."""


class _Version(BaseModel):
    """What /version says, whichever version says it."""

    version: str
    schema_revision: str


class _Health(BaseModel):
    """What /health says, likewise."""

    status: str
    parts: dict[str, dict[str, object]]

    def __str__(self) -> str:
        bad = [
            f"{name} {part.get('state')}" for name, part in self.parts.items() if part.get("state") != "ok"
        ]
        return f"{self.status} ({', '.join(bad)})" if bad else self.status


async def port_checks(settings: Settings) -> list[Check]:
    calls = await _check("Port of serve", settings.host, settings.port, setting="MCP_RAG_PORT")
    if not settings.health_port:
        return [calls, skipped("Port of probes", "none")]
    probes = await _check(
        "Port of probes", settings.health_host, settings.health_port, setting="MCP_RAG_HEALTH_PORT"
    )
    return [calls, probes]


async def _check(name: str, host: str, port: int, *, setting: str) -> Check:
    try:
        ports.free(host, port)
    except InvalidSettings as error:
        found = await _running(f"http://{_reached(host)}:{port}")
        if found is None:
            return poor(
                name,
                f"{error.cause} What has it is no mcp-rag.",
                f"Choose another one with {setting}, or stop the program that has it.",
            )
        return _judged(name, f"{port} is in use", *found)
    return fine(name, f"{port} is free" if port else "any")


def _judged(name: str, where: str, version: _Version, health: _Health) -> Check:
    found = f"{where}: mcp-rag {version.version} answers, {health}"
    if version.version != __version__:
        return poor(name, found, f"Restart it to have {__version__}.")
    if health.status == "down":
        return poor(name, found, "Its log, and /health there, say why.")
    return fine(name, found)


async def _running(url: str) -> tuple[_Version, _Health] | None:
    """What the mcp-rag says that answers there, if one does."""
    try:
        # A proxy has nothing to do with a port of this machine.
        async with httpx2.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as client:
            version = _Version.model_validate_json((await client.get("/version")).content)
            return version, _Health.model_validate_json((await client.get("/health")).content)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValidationError):
        return None


def _reached(host: str) -> str:
    """How a server that listens on this address is called from this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"
