"""Alembic's door: `mcp-rag migrate` hands the URL in; under `python -m alembic` it is found here."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.settings import Settings

MIGRATION_LOCK = 6_724_831_150_021
"""Two runners of migrations follow one another. Any number that no one else uses."""


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
    connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
    # A migration that waits for a lock makes every query behind it wait: better to fail and be run again.
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_online(url: str) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with owner_url() as url:
        asyncio.run(run_online(url))
