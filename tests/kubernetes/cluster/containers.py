"""A container is a process of this machine, with the environment that its manifest gives it and no other."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from mcp_rag.postgres import schema
from mcp_rag.postgres.binaries import find_binaries
from tests.kubernetes.cluster.objects import Object

ROOT = Path(__file__).parents[3]


class Image(NamedTuple):
    """What an image has, by its name and tag: the same programs here, whichever tag it is."""

    name: str
    tag: str

    @classmethod
    def of(cls, container: Object) -> "Image":
        address, _, tag = container["image"].rpartition(":")
        return cls(address.rpartition("/")[2], tag)

    @property
    def entrypoint(self) -> list[str]:
        return [sys.executable, "-m", "mcp_rag"]

    @property
    def environment(self) -> dict[str, str]:
        programs = [find_binaries(), Path(sys.executable).parent, "/usr/local/bin", "/usr/bin", "/bin"]
        if self.name == "mcp-rag-operator":
            programs.insert(0, ROOT / "deploy" / "scripts")
        return {
            "PATH": os.pathsep.join(map(str, programs)),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "ALEMBIC_CONFIG": str(schema.config_file()),
        }


class Containers:
    """Starts them. What is broken about an image is said by its tag."""

    def __init__(
        self, secrets: dict[str, dict[str, str]], settings: dict[tuple[str, str], dict[str, str]], home: Path
    ) -> None:
        """`settings` are config maps, by their namespace and name."""
        self.secrets, self.settings, self._home = secrets, settings, home
        self.broken: set[str] = set()
        """Tags of images whose program fails."""
        self.idle: set[str] = set()
        """Tags of those whose program does nothing, and ends well."""

    async def run_to_its_end(self, pod: Object, container: Object) -> tuple[int, str]:
        """Its exit code, and what it said."""
        image = Image.of(container)
        command = container.get("command", image.entrypoint) + container.get("args", [])
        if image.tag in self.broken:
            command = ["sh", "-c", "echo this image is broken >&2; exit 3"]
        if image.tag in self.idle:
            command = ["true"]
        process = await self.start(pod, container, command, stderr=asyncio.subprocess.STDOUT)
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def start(
        self, pod: Object, container: Object, command: list[str], *, stderr: int = asyncio.subprocess.PIPE
    ) -> asyncio.subprocess.Process:
        given = self._environment(container, pod["metadata"]["namespace"])
        environment = Image.of(container).environment | {"HOME": str(self._home)} | given
        # By the image's own PATH, whatever that of the tests is.
        return await asyncio.create_subprocess_exec(
            "/usr/bin/env",
            *(_with_values(word, given) for word in command),
            cwd=self._home,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    def _environment(self, container: Object, namespace: str) -> dict[str, str]:
        """As its manifest has it: config maps, plain values, where it is, and keys of secrets."""
        found: dict[str, str] = {}
        for each in container.get("envFrom", ()):
            found |= self.settings[namespace, each["configMapRef"]["name"]]
        for each in container.get("env", ()):
            source = each.get("valueFrom", {})
            wanted = source.get("secretKeyRef")
            if "fieldRef" in source:
                assert source["fieldRef"] == {"fieldPath": "metadata.namespace"}
                found[each["name"]] = namespace
            elif wanted is None:
                found[each["name"]] = each["value"]
            elif not wanted.get("optional") or wanted["name"] in self.secrets:
                found[each["name"]] = self.secrets[wanted["name"]][wanted["key"]]
        return found


def _with_values(word: str, environment: dict[str, str]) -> str:
    """`$(NAME)` in a command is a variable of the container."""
    return re.sub(r"\$\((\w+)\)", lambda found: environment.get(found[1], found[0]), word)
