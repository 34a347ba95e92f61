"""Telling an MCP client about this server, in the file where it keeps its configuration."""

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mcp_rag.cli import json_text, output
from mcp_rag.cli.clients import NAME, Client
from mcp_rag.cli.output import Shown, block
from mcp_rag.errors import InvalidInput, RagError
from mcp_rag.models import Frozen
from mcp_rag.settings import Settings

PREFIX = "MCP_RAG_"
_MARK = "\ufeff"


class Installed(Frozen):
    """What a client was told, and where."""

    client: str
    file: Path
    action: Literal["added", "updated", "already there", "shown"]
    configuration: dict[str, Any] = Field(description="What the file says about this server.")
    left_out: tuple[str, ...] = Field((), description="Variables that are set but secret, so not written.")


def install(
    client: Client, *, name: str = NAME, project: Path | None = None, write: bool = True
) -> Installed:
    """Put an entry for this server into the client's configuration; without `write` only say which.

    The settings of the environment go along, except secrets. What else is in the file stays to the letter,
    and so do the further keys of an entry with this name. The first time, `<file>.bak` keeps a copy.

    Raises:
        InvalidInput: the file is not plain JSON, or has something else under this name: it is left alone.
        RagError: the file cannot be read or written.
    """
    file = client.file_of_project(project) if project else client.file_of_user()
    kept, left_out = settings_to_pass_on(os.environ)
    plan = _Plan(client, file, name, _entry(client, kept), left_out)
    if not write:
        return plan.told("shown", plan.entry)
    try:
        return plan.carry_out()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RagError(f"{file} cannot be changed: {reason}.", remedy=plan.by_hand) from error


def told(done: Installed, client: Client) -> Iterator[Shown]:
    """What was done; alone the configuration itself, if that was asked for."""
    snippet = json.dumps(done.configuration, indent=2, ensure_ascii=False)
    if done.action == "shown":
        output.warn(f"This belongs into {done.file}:")
        yield block(snippet)
        return
    yield block((f"{client.product}: {done.action}", "bold"), f" in {done.file}")
    if done.action != "already there":
        yield block(snippet, indent=2)
        yield block(f"Restart {client.product} to have it.")


def settings_to_pass_on(environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The settings that are set, with absolute paths; and the names of the secret ones, which stay here."""
    kept: dict[str, str] = {}
    secret: list[str] = []
    for field, described in Settings.model_fields.items():
        variable = PREFIX + field.upper()
        value, kind = environment.get(variable), str(described.annotation)
        if value and "Secret" in kind:
            secret.append(variable)
        elif value is not None:
            # The client starts its servers in another folder than this one.
            kept[variable] = os.path.abspath(value) if "Path" in kind and value else value
    return kept, tuple(secret)


def command() -> tuple[str, ...]:
    """How to start this program from anywhere: its script where there is one, else its interpreter."""
    started = shutil.which(sys.argv[0]) if Path(sys.argv[0]).stem == NAME else None
    script = started or shutil.which(NAME, path=sysconfig.get_path("scripts"))
    return (os.path.abspath(script),) if script else (sys.executable, "-m", "mcp_rag")


def _entry(client: Client, environment: dict[str, str]) -> dict[str, Any]:
    program, *arguments = command()
    entry: dict[str, Any] = {"type": "stdio"} if client.says_type else {}
    entry |= {"command": program, "args": [*arguments, "stdio"]}
    return entry | ({"env": environment} if environment else {})


@dataclass(frozen=True)
class _Plan:
    client: Client
    file: Path
    name: str
    entry: dict[str, Any]
    left_out: tuple[str, ...]

    def carry_out(self) -> Installed:
        content = self._read()
        text = content.removeprefix(_MARK) if content.strip(f"{_MARK} \t\r\n") else "{}\n"
        before = self._present(text)
        after = self._merged(before or {})
        if before == after:
            return self.told("already there", after)
        changed = json_text.put(text, (self.client.servers_key, self.name), after)
        _replace(self.file, (_MARK if content.startswith(_MARK) else "") + changed)
        return self.told("added" if before is None else "updated", after)

    def told(
        self, action: Literal["added", "updated", "already there", "shown"], entry: dict[str, Any]
    ) -> Installed:
        return Installed(
            client=self.client,
            file=self.file,
            action=action,
            configuration={self.client.servers_key: {self.name: entry}},
            left_out=self.left_out,
        )

    @property
    def by_hand(self) -> str:
        snippet = json.dumps({self.client.servers_key: {self.name: self.entry}}, indent=2, ensure_ascii=False)
        return f"Add this to it by hand:\n{snippet}"

    def _read(self) -> str:
        """The text to the letter, also its line ends; empty when there is no file."""
        try:
            return self.file.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise self._refusal("is not UTF-8") from error

    def _present(self, text: str) -> dict[str, Any] | None:
        """The entry with this name, if there is one that can be ours."""
        try:
            servers = json_text.parse(text).get(self.client.servers_key, {})
        except (ValueError, RecursionError) as error:
            raise self._refusal(f"is not plain JSON ({error})") from error
        before = servers.get(self.name) if isinstance(servers, dict) else None
        if not isinstance(servers, dict) or not (before is None or isinstance(before, dict)):
            raise self._refusal(
                f"has {self.client.servers_key} in a form that {self.client.product} does not read"
            )
        if before is not None and "url" in before:
            raise InvalidInput(
                f"{self.file} has a server named {self.name!r} that is reached by a URL; it was left alone.",
                remedy="Choose another --name, or remove that entry.",
            )
        return before

    def _refusal(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self.file} {what}; it was left alone.", remedy=self.by_hand)

    def _merged(self, before: dict[str, Any]) -> dict[str, Any]:
        """The entry with what else somebody wrote there, such as secrets in its `env`."""
        written = before.get("env")
        environment = {**(written if isinstance(written, dict) else {}), **self.entry.get("env", {})}
        return {**before, **self.entry} | ({"env": environment} if environment else {})


def _replace(file: Path, text: str) -> None:
    """Write the file at once or not at all, with a copy of what was there the first time."""
    # A link, as people have who keep their settings in a repository, stays one.
    file = file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    backup = file.with_name(f"{file.name}.bak")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(text.encode("utf-8"))
            os.fsync(target.fileno())
        if file.exists():
            shutil.copymode(file, fresh)
            if not backup.exists():
                shutil.copy2(file, backup)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
