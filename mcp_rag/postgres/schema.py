"""Bringing a database to the schema that this version needs."""

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import asyncpg

from mcp_rag.errors import ExtensionMissing, SchemaHeld, SchemaOutdated
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql

REVISION = "0008"
"""The newest revision in `migrations/versions`; known here so that a start needs no Alembic."""
OLDEST_PGVECTOR = (0, 8)
_HELD = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_PAUSE = 0.5
_LOOK_AGAIN = 0.2
"""Seconds after which who waits for another's build of an index asks whether that is done."""


def config_file() -> Path:
    """What ALEMBIC_CONFIG must name for `python -m alembic` to work from any directory."""
    return Path(str(files("mcp_rag.postgres.migrations"))) / "alembic.ini"


class State(NamedTuple):
    """Which schema a database has. Revisions add: versions go on with later ones than they know.

    So an old version serves while a new one is deployed. A revision that takes away what earlier versions use
    says so, in the comment on alembic_version.
    """

    revision: str
    oldest: str | None = None
    """The oldest revision whose versions it serves, where it does not serve all before it."""

    @property
    def suits(self) -> bool:
        """Whether this version can work on it."""
        return self.revision >= REVISION >= (self.oldest or "")

    def refusal(self) -> SchemaOutdated:
        """What to say where it does not suit."""
        where = f"The database is at revision {self.revision}"
        if self.revision < REVISION:
            return SchemaOutdated(f"{where}, this version needs {REVISION}.")
        return SchemaOutdated(
            f"{where}, which serves versions of {self.oldest} and later; this one is of {REVISION}.",
            remedy="Use the version of mcp-rag that migrated it, or a later one.",
        )


async def state(url: str) -> State | None:
    """None when it has never been migrated."""
    with translated():
        connection = await asyncpg.connect(url)
        try:
            found = await connection.fetchrow(sql("schema_revision"))
            return State(*found) if found else None
        except asyncpg.UndefinedTableError:
            return None
        finally:
            await connection.close()


async def migrate(owner_url: str, *, tries: int = 7) -> None:
    """Upgrade to `REVISION`; leave what is later. Who else tries at the same time waits.

    What others hold is tried for again, after half a second and then after twice as long each time.

    Raises:
        SchemaOutdated: it is later, and does not serve this version.
        SchemaHeld: others held for too long what is to change. What was finished stays.
        ExtensionMissing: the server has no pgvector, or one that is too old.
        StoreUnavailable: the server cannot be reached.
    """
    found = await state(owner_url)
    if found is not None and found.revision > REVISION:
        if not found.suits:
            raise found.refusal()
        return
    await _check_extension(owner_url)
    with translated():
        await _upgraded(owner_url, [_PAUSE * 2**number for number in range(tries - 1)])


async def prepare(url: str, owner_url: str, *, always: bool) -> None:
    """Migrate a database that is new, or (`always`) any that is behind.

    Raises:
        SchemaOutdated: the database is behind and is not ours to change unasked, or too far ahead.
    """
    found = await state(url)
    if found is not None and found.suits:
        return
    if found is not None and not always:
        raise found.refusal()
    await migrate(owner_url)


async def index_vectors(owner_url: str, dimensions: int, *, memory: str = "512MB") -> None:
    """Make the index for vectors of this length, unless it is there. Who reads or writes waits for nothing.

    Slow on a large store: it reads every vector. Slower by far where `memory` does not hold the whole index:
    about 2.5 kB for each vector, and itself.
    """
    with translated():
        connection = await asyncpg.connect(owner_url)
        try:
            # In no statement that waits: its snapshot would be what the build of the other waits for.
            while not await connection.fetchval(sql("try_index")):
                await asyncio.sleep(_LOOK_AGAIN)
            if not await connection.fetchval(sql("vector_index"), dimensions):
                await connection.execute(sql("set_maintenance_memory"), memory)
                await connection.execute(sql("drop_vector_index", dimensions=dimensions))
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


async def _upgraded(owner_url: str, pauses: Sequence[float]) -> None:
    """Try, and after each pause again."""
    for pause in (*pauses, None):
        try:
            await asyncio.to_thread(_upgrade, owner_url)
            return
        except _HELD as error:
            if pause is None:
                raise SchemaHeld from error
            await asyncio.sleep(pause)


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
