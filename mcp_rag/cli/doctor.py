"""`mcp-rag doctor`: everything that can be wrong, each with what to do about it."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mcp_rag import __version__
from mcp_rag.cli import clients, output
from mcp_rag.cli.checks import Check, bad, failed, fine, poor, skipped
from mcp_rag.cli.clients import Client
from mcp_rag.cli.doctor_access import provider_check
from mcp_rag.cli.doctor_answers import answering_check, keeping_check
from mcp_rag.cli.doctor_ports import port_checks
from mcp_rag.cli.doctor_store import database_checks, model_checks, reranking_check
from mcp_rag.cli.install import PREFIX
from mcp_rag.cli.output import Shown, block, visible
from mcp_rag.cli.running import read_settings
from mcp_rag.errors import InvalidInput, InvalidSettings
from mcp_rag.models import Frozen
from mcp_rag.settings import Settings

if sys.platform != "win32":
    from mcp_rag import rendezvous

LITTLE_SPACE = 1024**3
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


class Examination(Frozen):
    ok: bool
    checks: tuple[Check, ...]


async def examined() -> Examination:
    """Look at everything. The embedded server is started for it, a database elsewhere is not changed."""
    checks = [_python()]
    try:
        settings = read_settings()
    except InvalidSettings as error:
        checks.append(failed("Settings", error))
    else:
        with output.waiting("Examining"):
            of_model, model = await model_checks(settings)
            of_model.append(await reranking_check(settings))
            of_database = await database_checks(settings, model)
            of_answers = [await answering_check(settings), await keeping_check(settings)]
            of_access = await provider_check(settings)
            of_ports = await port_checks(settings)
        checks += [_settings(), *of_database, *of_model, *of_answers, of_access]
        checks += [_disk(settings), _runtime_folder(), *of_ports]
    checks += [_client(client) for client in Client]
    return Examination(ok=all(check.verdict != "fail" for check in checks), checks=tuple(checks))


def told(examination: Examination) -> Iterator[Shown]:
    width = max(len(check.name) for check in examination.checks)
    for check in examination.checks:
        verdict = (f"{check.verdict:<4}", STYLES[check.verdict])
        yield block(verdict, f"  {check.name:<{width}}  ", visible(check.found))
        if check.remedy:
            yield block(("→ ", "bold"), visible(check.remedy), indent=6)


def _python() -> Check:
    found = (
        f"mcp-rag {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    if sys.platform == "win32":
        return poor(
            "Program",
            found,
            "Here is no embedded Postgres and no `stdio`: use `serve` and MCP_RAG_DATABASE_URL.",
        )
    return fine("Program", found)


def _settings() -> Check:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    written = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    unknown = [name for name in written if name.upper() not in known]
    if unknown:
        return poor("Settings", f"{', '.join(unknown)} is not a setting", "Correct the name or unset it.")
    return fine("Settings", f"set: {', '.join(written)}" if written else "none is set, all by default")


def _disk(settings: Settings) -> Check:
    if settings.database_url is not None:
        return skipped("Data folder", "not used: the database is elsewhere")
    folder = settings.embedded_data_dir
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        return bad("Data folder", f"{folder} cannot be written", "Set MCP_RAG_DATA_DIR to a folder that can.")
    space = shutil.disk_usage(there).free
    found = f"{folder}, {space / 1024**3:.1f} GiB free"
    if space < LITTLE_SPACE:
        return poor("Data folder", found, "Make room, or set MCP_RAG_DATA_DIR to another disk.")
    return fine("Data folder", found)


def _runtime_folder() -> Check:
    if sys.platform == "win32":
        return skipped("Resident server", "not on Windows")
    try:
        place = rendezvous.meeting_place()
    except rendezvous.UnsafeFolder as error:
        cause, _, remedy = str(error).partition(". ")
        return bad("Resident server", f"{cause}.", remedy)
    others = [each for each in Path(place.lock).parent.glob("*.lock") if str(each) != place.lock]
    running = sum(rendezvous.is_held(rendezvous.Place(str(each.with_suffix("")))) for each in others)
    more = f"; {running} more for other settings" if running else ""
    pid = rendezvous.resident_pid(place)
    here = f"process {pid} runs for these settings" if pid else "none runs for these settings"
    return fine("Resident server", f"{here}{more}; {Path(place.lock).parent} is safe")


def _client(client: Client) -> Check:
    try:
        found = list(clients.entries(client, Path.cwd()))
    except (ValueError, OSError, InvalidInput) as error:
        return skipped(client.product, f"its configuration cannot be read: {error}")
    if not found:
        return skipped(client.product, f"does not know mcp-rag; `mcp-rag install {client}` tells it")
    dead = [entry for entry in found if not entry.can_start]
    if dead:
        cause = f"{dead[0].command} is not there, says {dead[0].file}"
        return bad(client.product, cause, f"`mcp-rag install {client}` writes it anew.")
    return fine(client.product, " and ".join(f"{entry.name} in {entry.file}" for entry in found))
