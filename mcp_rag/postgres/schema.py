"""Bringing a database to the schema that this version needs."""

import asyncio
from importlib.resources import files
from pathlib import Path

import asyncpg

from mcp_rag.errors import ExtensionMissing, SchemaOutdated
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql

REVISION = "0008"
"""The newest revision in `migrations/versions`; known here so that a start needs no Alembic."""
OLDEST_PGVECTOR = (0, 8)


def config_file() -> Path:
    """What ALEMBIC_CONFIG must name for `python -m alembic` to work from any directory."""
    return Path(str(files("mcp_rag.postgres.migrations"))) / "alembic.ini"


async def revision(url: str) -> str | None:
    """The revision a database is at, or None when it has never been migrated."""
    with translated():
        connection = await asyncpg.connect(url)
        try:
            found: str | None = await connection.fetchval(sql("schema_revision"))
            return found
        except asyncpg.UndefinedTableError:
            return None
        finally:
            await connection.close()


async def migrate(owner_url: str) -> None:
    """Upgrade to `REVISION`. Several processes may try at once: they wait for one another.

    Raises:
        ExtensionMissing: the server has no pgvector, or one that is too old.
        StoreUnavailable: the server cannot be reached.
    """
    await _check_extension(owner_url)
    with translated():
        await asyncio.to_thread(_upgrade, owner_url)


async def prepare(url: str, owner_url: str, *, always: bool) -> None:
    """Migrate a database that is new, or (`always`) any that is behind.

    Raises:
        SchemaOutdated: the database is behind or ahead and is not ours to change unasked.
    """
    found = await revision(url)
    if found == REVISION:
        return
    if found is not None and (not always or found > REVISION):
        raise SchemaOutdated(f"The database is at revision {found}, this version needs {REVISION}.")
    await migrate(owner_url)


async def index_vectors(owner_url: str, dimensions: int, *, memory: str = "512MB") -> None:
    """Make the index for vectors of this length. Slow on a large store: it reads every vector.

    Slower by far where `memory` does not hold the whole index: about 2.5 kB for each vector, and itself.
    """
    with translated():
        connection = await asyncpg.connect(owner_url)
        try:
            await connection.execute(sql("set_maintenance_memory"), memory)
            await connection.execute(sql("create_vector_index", dimensions=dimensions))
        finally:
            await connection.close()


async def _check_extension(owner_url: str) -> None:
    with translated():
        connection = await asyncpg.connect(owner_url)
        try:
            version = await connection.fetchval(sql("available_extension"))
        finally:
            await connection.close()
    if version is None or tuple(int(part) for part in version.split(".")[:2]) < OLDEST_PGVECTOR:
        raise ExtensionMissing


def _upgrade(owner_url: str) -> None:
    # Half a second of imports that a start with a current schema never pays.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import DBAPIError

    config = Config(str(config_file()))
    config.attributes["url"] = owner_url
    try:
        command.upgrade(config, REVISION)
    except DBAPIError as error:
        # SQLAlchemy's wrapping of SQLAlchemy's wrapping of what the driver raised.
        raise (error.orig and error.orig.__cause__) or error from None
