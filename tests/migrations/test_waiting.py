"""Migrations beside those who use the database, and beside one another."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from mcp_rag.errors import SchemaHeld, StoreError
from mcp_rag.postgres import schema
from tests.conftest import eventually
from tests.migrations.revisions import alembic, make, observed

READS = "SELECT count(*) FROM term_statistic"
WAITING = """
    SELECT DISTINCT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND datname = current_database()
"""
NOT_ALONE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'mcp-rag migrate'
        AND (state = 'idle' AND query LIKE 'COMMIT%' OR wait_event = 'advisory')
"""
"""Runners that have seen that there is another."""
PATIENCE = 30.0
INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


@asynccontextmanager
async def in_use(url: str, statement: str) -> AsyncIterator[None]:
    """Somebody's transaction, which has done this and does not end."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


async def waiting(observer: asyncpg.Connection, but: int = 0) -> int:
    """The process of the one session that waits for a lock, other than this, once there is one."""
    found = list[int]()

    async def waits() -> bool:
        found.extend(row["pid"] for row in await observer.fetch(WAITING) if row["pid"] != but)
        return bool(found)

    await eventually(waits)
    return found[0]


async def run(url: str, revision: str) -> asyncio.subprocess.Process:
    """Alembic as operators start it."""
    environment = os.environ | {
        "ALEMBIC_CONFIG": str(schema.config_file()),
        "MCP_RAG_DATABASE_URL": url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "alembic", "upgrade", revision]
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_migration_that_was_held_up_is_tried_again_by_itself(new_url: str) -> None:
    await asyncio.to_thread(alembic, new_url, "upgrade", "0007")
    async with observed(new_url) as observer:
        async with in_use(new_url, READS):
            migrating = asyncio.create_task(schema.migrate(new_url))
            await waiting(observer, but=await waiting(observer))
        await migrating
    assert await schema.state(new_url) == schema.State(schema.REVISION)


async def test_of_a_migration_and_a_caller_who_wait_for_one_another_the_caller_goes_on(new_url: str) -> None:
    await asyncio.to_thread(alembic, new_url, "upgrade", "0007")
    async with observed(new_url) as observer, observed(new_url) as caller:
        async with caller.transaction():
            await caller.execute("SELECT FROM token_use")
            migrating = asyncio.create_task(schema.migrate(new_url))
            await waiting(observer)
            # It has the one table and waits for the other.
            assert await caller.fetchval(READS, timeout=PATIENCE) == 0
        await migrating
    assert await schema.state(new_url) == schema.State(schema.REVISION)


async def test_a_migration_gives_up_behind_a_long_transaction_and_is_done_when_it_is_run_again(
    new_url: str,
) -> None:
    await asyncio.to_thread(alembic, new_url, "upgrade", "0007")
    async with observed(new_url) as observer:
        async with in_use(new_url, READS):
            migrating = asyncio.create_task(schema.migrate(new_url, tries=2))
            await waiting(observer)
            # Who comes after it stands behind it, and goes on when it gives up.
            assert await observer.fetchval(READS, timeout=PATIENCE) == 0
            with pytest.raises(SchemaHeld) as caught:
                await migrating
            assert "again" in caught.value.remedy
            assert await schema.state(new_url) == schema.State("0007")
        await schema.migrate(new_url)
    assert await schema.state(new_url) == schema.State(schema.REVISION)


async def test_who_waits_for_another_runner_is_not_what_that_waits_for(new_url: str) -> None:
    await asyncio.to_thread(alembic, new_url, "upgrade", "0002")
    async with observed(new_url) as observer:
        async with in_use(new_url, "LOCK TABLE passage IN ROW EXCLUSIVE MODE"):
            first = await run(new_url, "0002a")
            await waiting(observer)
            second = await run(new_url, "0002a")

            async def has_looked() -> bool:
                return bool(await observer.fetchval(NOT_ALONE))

            await eventually(has_looked)
        assert await ended(first) == (0, "")
        assert await ended(second) == (0, "")
        assert await observer.fetchval(INDEX, "passage_weighing") is True
    assert await schema.state(new_url) == schema.State("0002a")


async def test_an_index_whose_build_was_interrupted_is_built_by_the_next_run(new_url: str) -> None:
    await asyncio.to_thread(alembic, new_url, "upgrade", "0002")
    async with observed(new_url) as observer:
        async with in_use(new_url, "LOCK TABLE passage IN ROW EXCLUSIVE MODE"):
            building = await run(new_url, "0002a")
            await observer.execute("SELECT pg_cancel_backend($1)", await waiting(observer))
            code, said = await ended(building)
            assert (code, "canceling statement" in said) == (1, True)
        assert await observer.fetchval(INDEX, "passage_weighing") is False
        assert await schema.state(new_url) == schema.State("0002")
        await schema.migrate(new_url)
        assert await observer.fetchval(INDEX, "passage_weighing") is True


async def test_while_the_index_of_vectors_is_built_all_is_read_and_written(new_url: str) -> None:
    await schema.migrate(new_url)
    async with observed(new_url) as observer:
        async with in_use(new_url, "LOCK TABLE embedding IN ROW EXCLUSIVE MODE"):
            building = asyncio.create_task(schema.index_vectors(new_url, 8))
            await waiting(observer)
            assert await observer.fetchval("SELECT count(*) FROM embedding", timeout=PATIENCE) == 0
            await observer.execute("DELETE FROM embedding", timeout=PATIENCE)
            another = asyncio.create_task(schema.index_vectors(new_url, 8))
        await asyncio.gather(building, another)
        assert await observer.fetchval(INDEX, "embedding_8") is True


async def test_an_index_of_vectors_whose_build_was_interrupted_is_built_by_who_needs_it_next(
    new_url: str,
) -> None:
    await schema.migrate(new_url)
    async with observed(new_url) as observer:
        async with in_use(new_url, "LOCK TABLE embedding IN ROW EXCLUSIVE MODE"):
            building = asyncio.create_task(schema.index_vectors(new_url, 8))
            await observer.execute("SELECT pg_cancel_backend($1)", await waiting(observer))
            with pytest.raises(StoreError):
                await building
        assert await observer.fetchval(INDEX, "embedding_8") is False
        await schema.index_vectors(new_url, 8)
        assert await observer.fetchval(INDEX, "embedding_8") is True


LIMITS = """
    CREATE TABLE {} AS
    SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement
"""


async def test_every_statement_of_a_migration_has_limits(new_url: str, tmp_path: Path) -> None:
    first, last = (f"op.execute({LIMITS.format(name)!r})" for name in ("before", "after"))
    made = make(tmp_path, f'{first}; build_index("late", "passage (length)"); {last}')
    await asyncio.to_thread(alembic, new_url, "upgrade", "head", made)
    async with observed(new_url) as observer:
        for name in ("before", "after"):
            assert tuple(await observer.fetchrow(f"SELECT * FROM {name}")) == ("500ms", "1min")
