"""Telling an MCP client about this server, in the file where it keeps its configuration."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mcp_rag.cli import output
from mcp_rag.cli.clients import NAME, Client, Notation, is_ours
from mcp_rag.cli.output import Shown, block
from mcp_rag.errors import InvalidInput, RagError
from mcp_rag.models import Frozen
from mcp_rag.settings import Settings

PREFIX = "MCP_RAG_"
_MARK = "\ufeff"

Action = Literal["added", "updated", "already there", "shown", "removed", "not there"]


class Installed(Frozen):
    """What a client was told, and where."""

    client: str
    file: Path
    action: Action
    configuration: dict[str, Any] = Field(description="What the file says about this server.")
    left_out: tuple[str, ...] = Field((), description="Variables that are set but secret, so not written.")


def install(
    client: Client, *, name: str = NAME, project: Path | None = None, write: bool = True
) -> Installed:
    """Put an entry for this server into the client's configuration; without `write` only say which.

    The settings of the environment go along, except secrets. What else is in the file stays to the letter,
    and so do the further keys of an entry with this name. The first time, `<file>.bak` keeps a copy.

    Raises:
        InvalidInput: the file is not plain JSON (or TOML, for Codex), or has something else under this name:
            it is left alone.
        RagError: the file cannot be read or written.
    """
    kept, left_out = settings_to_pass_on(os.environ)
    plan = _Plan(client, _file(client, project), name, _entry(client, kept), left_out)
    return plan.carried_out(plan.put_in) if write else plan.told("shown", plan.entry)


def remove(client: Client, *, name: str = NAME, project: Path | None = None) -> Installed:
    """Take the entry for this server out again. What else is in the file stays to the letter.

    Raises:
        InvalidInput: the file is not plain JSON (or TOML, for Codex), or has another server under this name:
            it is left alone.
        RagError: the file cannot be read or written.
    """
    plan = _Plan(client, _file(client, project), name, {}, ())
    return plan.carried_out(plan.take_out)


def told(done: Installed, client: Client) -> Iterator[Shown]:
    """What was done; alone the configuration itself, if that was asked for."""
    snippet = client.notation.written(done.configuration)
    if done.action == "shown":
        output.warn(f"This belongs into {done.file}:")
        yield block(snippet)
        return
    yield block((f"{client.product}: {done.action}", "bold"), f" in {done.file}")
    if done.action in ("added", "updated"):
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
        elif value:
            # The client starts its servers in another folder than this one.
            kept[variable] = os.path.abspath(value) if "Path" in kind else value
    return kept, tuple(secret)


def command() -> tuple[str, ...]:
    """How to start this program from anywhere: its script where there is one, else its interpreter."""
    started = shutil.which(sys.argv[0]) if Path(sys.argv[0]).stem == NAME else None
    script = started or shutil.which(NAME, path=sysconfig.get_path("scripts"))
    return (os.path.abspath(script),) if script else (sys.executable, "-m", "mcp_rag")


def _file(client: Client, project: Path | None) -> Path:
    return client.file_of_project(project) if project else client.file_of_user()


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

    def carried_out(self, change: Callable[[], Installed]) -> Installed:
        try:
            return change()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RagError(f"{self.file} cannot be changed: {reason}.", remedy=self.by_hand) from error

    def put_in(self) -> Installed:
        content = self._read()
        before = self._present(content)
        after = self._merged(before or {})
        if before == after:
            return self.told("already there", after)
        self._write(content, lambda text: self._notation.put(text, self._keys, after), after)
        return self.told("added" if before is None else "updated", after)

    def take_out(self) -> Installed:
        content = self._read()
        before = self._present(content)
        if before is None:
            return self.told("not there", {})
        if not is_ours(self.name, before):
            raise InvalidInput(
                f"{self.file} has another server under the name {self.name!r}; it was left alone.",
                remedy="Name the one to remove with --name.",
            )
        self._write(content, lambda text: self._notation.without(text, self._keys), None)
        return self.told("removed", {})

    def told(self, action: Action, entry: dict[str, Any]) -> Installed:
        return Installed(
            client=self.client,
            file=self.file,
            action=action,
            configuration={self.client.servers_key: {self.name: entry}} if entry else {},
            left_out=self.left_out,
        )

    @property
    def by_hand(self) -> str:
        if not self.entry:
            return f"Take {self.name!r} out of it by hand, below {self.client.servers_key!r}."
        snippet = self._notation.written({self.client.servers_key: {self.name: self.entry}})
        return f"Add this to it by hand:\n{snippet}"

    @property
    def _notation(self) -> Notation:
        return self.client.notation

    @property
    def _keys(self) -> tuple[str, str]:
        return self.client.servers_key, self.name

    def _read(self) -> str:
        """The text to the letter, also its line ends; empty when there is no file."""
        try:
            return self.file.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise self._refusal("is not UTF-8") from error

    def _text(self, content: str) -> str:
        blank = not content.strip(f"{_MARK} \t\r\n")
        return self._notation.EMPTY if blank else content.removeprefix(_MARK)

    def _write(self, content: str, change: Callable[[str], str], after: dict[str, Any] | None) -> None:
        """Write the changed text, if it has `after` for the entry and all else as before."""
        text = self._text(content)
        try:
            changed = change(text)
            if self._others(changed) != self._others(text) or self._present(changed) != after:
                raise ValueError("more would change than the entry")
        except ValueError as error:
            raise self._refusal(f"cannot be changed safely ({error})") from error
        _replace(self.file, (_MARK if content.startswith(_MARK) else "") + changed)

    def _others(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """All but the servers, and all servers but this."""
        known = self._notation.parse(text)
        servers = known.pop(self.client.servers_key, {})
        servers.pop(self.name, None)
        return known, servers

    def _present(self, content: str) -> dict[str, Any] | None:
        """The entry with this name, if there is one that can be ours."""
        try:
            servers = self._notation.parse(self._text(content)).get(self.client.servers_key, {})
        except (ValueError, RecursionError) as error:
            raise self._refusal(f"is not {self._notation.NAME} ({error})") from error
        before = servers.get(self.name) if isinstance(servers, dict) else None
        if not isinstance(servers, dict) or not (before is None or isinstance(before, dict)):
            raise self._refusal(
                f"has {self.client.servers_key} in a form that {self.client.product} does not read"
            )
        if before is not None and not before.keys().isdisjoint(("url", "serverUrl")):
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
