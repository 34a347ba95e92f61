"""`mcp-rag serve` as a process, with its probes, from SIGTERM to its end and before."""

import asyncio
import signal
from pathlib import Path
from typing import Self

import httpx2
import psutil

from tests.cli.command import PATIENCE, Command
from tests.conftest import eventually
from tests.free_ports import free_port


class Service:
    """Ready when it is entered, killed when it is left if it has not ended by itself."""

    def __init__(
        self, home: Path, database_url: str, *arguments: str, port: int = 0, **environment: str
    ) -> None:
        self.port, probes = port or free_port(), free_port()
        self.url, self.probes = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{probes}"
        command = Command(
            home, MCP_RAG_DATABASE_URL=database_url, MCP_RAG_RERANKING_PROVIDER="none", **environment
        )
        listening = ("--port", str(self.port), "--health-port", str(probes))
        self.log = home / f"{self.port}.log"
        self.process = command.start("serve", *listening, *arguments, log=self.log)

    async def __aenter__(self) -> Self:
        await eventually(self._lives_and_is_ready, within=PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.communicate)

    async def _lives_and_is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return await self.is_ready()

    async def is_ready(self) -> bool:
        return await reached(f"{self.probes}/readyz")

    async def is_leaving(self) -> bool:
        return await _status(f"{self.probes}/readyz") == 503

    async def refuses(self) -> bool:
        """Whether nobody can connect any more."""
        return await _status(f"{self.url}/version") is None

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return await asyncio.to_thread(self.process.wait, timeout=PATIENCE)

    @property
    def resident(self) -> float:
        """Memory that it has, in MiB."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)


async def reached(url: str) -> bool:
    return await _status(url) == 200


async def _status(url: str) -> int | None:
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        try:
            return (await client.get(url, headers={"Connection": "close"})).status_code
        except httpx2.TransportError:
            return None
