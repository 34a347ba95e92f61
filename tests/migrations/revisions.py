"""The revisions as Alembic has them, and one that a test makes beside them."""

import io
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from mcp_rag.postgres import schema
from mcp_rag.postgres.binaries import find_binaries

VERSIONS = schema.config_file().parent / "versions"
MADE = "9001"
"""What a revision is called that a test makes, after all others."""
REVISION = """
from alembic import op

from mcp_rag.postgres.migrations.limits import build_index, drop_index

revision, down_revision = "{made}", "{head}"


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
"""
COMMENT = re.compile(r"--[^\n]*")


def config(beside: Path | None = None, output: io.StringIO | None = None) -> Config:
    """The product's own; with the revisions that lie in `beside`, if that is given."""
    made = Config(str(schema.config_file()), output_buffer=output)
    if beside is not None:
        made.set_main_option("path_separator", "os")
        made.set_main_option("version_locations", f"{VERSIONS}{os.pathsep}{beside}")
    return made


def all_revisions() -> list[str]:
    """The oldest first."""
    walked = ScriptDirectory.from_config(config()).walk_revisions()
    return [script.revision for script in walked][::-1]


ORDER = all_revisions()


def before(revision: str) -> str:
    """The one that it follows."""
    return {MADE: ORDER[-1], ORDER[0]: "base"}.get(revision) or ORDER[ORDER.index(revision) - 1]


def alembic(url: str, verb: str, revision: str, beside: Path | None = None) -> None:
    made = config(beside)
    made.attributes["url"] = url
    getattr(command, verb)(made, revision)


def script(revision: str, beside: Path | None = None) -> str:
    """The SQL of an upgrade to this revision from the one before, as `alembic upgrade A:B --sql` says it."""
    output = io.StringIO()
    command.upgrade(config(beside, output), f"{before(revision)}:{revision}", sql=True)
    return output.getvalue()


def statements(sql: str) -> list[str]:
    """In one line each, without comments."""
    plain = (" ".join(COMMENT.sub("", each).split()) for each in sql.split(";\n\n"))
    return [each for each in plain if each]


def make(folder: Path, upgrade: str, downgrade: str = "pass") -> Path:
    """Writes a revision that follows the newest; gives the folder."""
    text = REVISION.format(made=MADE, head=ORDER[-1], upgrade=upgrade, downgrade=downgrade)
    (folder / f"r{MADE}_made.py").write_text(text, encoding="utf-8")
    return folder


@asynccontextmanager
async def observed(url: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner sees it."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def structure(url: str) -> str:
    """The schema to the letter."""
    dump = [find_binaries() / "pg_dump", "--schema-only", "--restrict-key=same", url]
    return subprocess.run(dump, capture_output=True, text=True, check=True).stdout
