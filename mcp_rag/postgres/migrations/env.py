"""Alembic's door: `mcp-rag migrate` hands the URL in; under `python -m alembic` it is found here."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.postgres.migrations.limits import AT_ONCE
from mcp_rag.settings import Settings

MIGRATION_LOCK = 6_724_831_150_021
"""Two runners of migrations follow one another. Any number that no one else uses."""
LOOK_AGAIN = 0.2
"""Seconds after which who waits for another runner asks whether that is done."""


@contextmanager
def owner_url() -> Iterator[str]:
    if given := context.config.attributes.get("url"):
        yield given
        return
    settings = Settings.read()
    if url := settings.migration_database_url or settings.database_url:
        yield url.get_secret_value()
        return
    server = EmbeddedServer(settings.embedded_data_dir)
    try:
        yield server.start().owner
    finally:
        server.stop()


def run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def alone(connection: AsyncConnection) -> None:
    """Wait until no other runner is there; none comes before the connection ends.

    Not in one statement that waits: its snapshot would be what a concurrent build of the other waits for.
    """
    take = text(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})")
    while not await connection.scalar(take):
        await connection.commit()
        await asyncio.sleep(LOOK_AGAIN)
    await connection.commit()


async def run_online(url: str) -> None:
    named = {"application_name": "mcp-rag migrate"}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url, server_settings=named),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            await alone(connection)
            for setting in AT_ONCE:
                await connection.execute(text(setting))
            await connection.commit()
            await connection.run_sync(run)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    for setting in AT_ONCE:
        context.execute(setting)
    with context.begin_transaction():
        context.run_migrations()
else:
    with owner_url() as url:
        asyncio.run(run_online(url))
