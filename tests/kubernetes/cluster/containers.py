"""A container is a process of this machine, with the environment that its manifest gives it and no other."""

import asyncio
import os
import sys
from pathlib import Path
from typing import NamedTuple

from mcp_rag.postgres import schema
from mcp_rag.postgres.binaries import find_binaries
from tests.kubernetes.cluster.objects import Object

ROOT = Path(__file__).parents[3]


class Image(NamedTuple):
    """What the image of the product has, by its tag: the same programs here, whichever it is."""

    tag: str

    @classmethod
    def of(cls, container: Object) -> "Image":
        return cls(container["image"].rpartition(":")[2])

    @property
    def entrypoint(self) -> list[str]:
        return [sys.executable, "-m", "mcp_rag"]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join(
                [str(find_binaries()), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
            ),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "ALEMBIC_CONFIG": str(schema.config_file()),
        }


class Containers:
    """Starts them. What is broken about an image is said by its tag."""

    def __init__(self, secrets: dict[str, dict[str, str]], home: Path) -> None:
        self.secrets, self._home = secrets, home
        self.broken: set[str] = set()
        """Tags of images whose program fails."""
        self.idle: set[str] = set()
        """Tags of those whose program does nothing, and ends well."""

    async def run_to_its_end(self, image: Image, container: Object) -> tuple[int, str]:
        """Its exit code, and what it said."""
        command = container.get("command", image.entrypoint) + container.get("args", [])
        if image.tag in self.broken:
            command = ["sh", "-c", "echo this image is broken >&2; exit 3"]
        if image.tag in self.idle:
            command = ["true"]
        process = await self.start(image, container, command, stderr=asyncio.subprocess.STDOUT)
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def start(
        self, image: Image, container: Object, command: list[str], *, stderr: int = asyncio.subprocess.PIPE
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=self._home,
            env=image.environment | {"HOME": str(self._home)} | self._environment(container),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    def _environment(self, container: Object) -> dict[str, str]:
        """As its manifest has it: plain values, and keys of secrets."""
        found = {}
        for each in container.get("env", ()):
            wanted = each.get("valueFrom", {}).get("secretKeyRef")
            if wanted is None:
                found[each["name"]] = each["value"]
            elif not wanted.get("optional") or wanted["name"] in self.secrets:
                found[each["name"]] = self.secrets[wanted["name"]][wanted["key"]]
        return found
