"""Each revision up, down and up again, on a database that has something in every column of every table."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from tests.conftest import of_database
from tests.migrations.revisions import MADE, ORDER, alembic, before, make, observed, structure

SEEDS = Path(__file__).parent / "seeds"
Tables: TypeAlias = dict[str, list[str]]
"""The columns of each."""
Filled: TypeAlias = Callable[[str], Awaitable[str]]
Row: TypeAlias = tuple[str | None, ...]
COLUMNS = """
    SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
    GROUP BY table_name
"""


async def tables(connection: asyncpg.Connection) -> Tables:
    return {row["table_name"]: row["columns"] for row in await connection.fetch(COLUMNS)}


def shared(one: Tables, other: Tables) -> Tables:
    return {name: [each for each in one[name] if each in other[name]] for name in one.keys() & other.keys()}


async def rows(connection: asyncpg.Connection, of: Tables) -> dict[str, Counter[Row]]:
    found = {}
    for name, columns in of.items():
        texts = ", ".join(f'"{column}"::text' for column in columns)
        found[name] = Counter(tuple(row) for row in await connection.fetch(f'SELECT {texts} FROM "{name}"'))
    return found


async def empty(connection: asyncpg.Connection) -> list[str]:
    """Columns that have nothing in any row: what becomes of what is in them was not seen."""
    found = []
    for name, columns in (await tables(connection)).items():
        counts = ", ".join(f'count("{column}")' for column in columns)
        numbers = (await connection.fetch(f'SELECT {counts} FROM "{name}"'))[0]
        found += [f"{name}.{column}" for column, count in zip(columns, numbers, strict=True) if not count]
    return found


async def seed(connection: asyncpg.Connection, revision: str) -> None:
    """Rows as that revision has room for them, beside those of earlier ones."""
    file = SEEDS / f"{revision}.sql"
    if file.exists():
        await connection.execute(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def filled(postgres: str) -> Filled:
    """Gives the name of a database at a revision, with the rows of all up to it. It is to be copied."""
    made = {"base": "template0"}

    async def at(revision: str) -> str:
        if revision not in made:
            url = await copy(postgres, await at(before(revision)), f"filled_{revision}")
            await asyncio.to_thread(alembic, url, "upgrade", revision)
            async with observed(url) as connection:
                await seed(connection, revision)
            made[revision] = f"filled_{revision}"
        return made[revision]

    return at


@pytest.fixture
async def at(postgres: str, filled: Filled) -> AsyncIterator[Filled]:
    """Gives the URL of a database of the test's own, at a revision and with rows."""

    async def copied(revision: str) -> str:
        return await copy(postgres, await filled(revision), "steps")

    yield copied
    async with observed(postgres) as connection:
        await connection.execute("DROP DATABASE IF EXISTS steps WITH (FORCE)")


async def copy(server: str, database: str, name: str) -> str:
    """The URL of the copy."""
    async with observed(server) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {database} STRATEGY file_copy")
    return of_database(server, name)


async def up_and_down_and_up(url: str, revision: str, beside: Path | None = None) -> None:
    async with observed(url) as connection:
        old = await tables(connection)
        stored, was = await rows(connection, old), await asyncio.to_thread(structure, url)

        await asyncio.to_thread(alembic, url, "upgrade", revision, beside)
        both = shared(old, await tables(connection))
        kept = {name: _cut(stored[name], old[name], both[name]) for name in both}
        assert await rows(connection, both) == kept
        await seed(connection, revision)
        assert await empty(connection) == []
        stored, made = await rows(connection, both), await asyncio.to_thread(structure, url)

        await asyncio.to_thread(alembic, url, "downgrade", before(revision), beside)
        assert await tables(connection) == old
        assert await rows(connection, both) == stored
        if before(revision) != "base":
            # Alembic's table, the extension and the roles stay.
            assert await asyncio.to_thread(structure, url) == was

        await asyncio.to_thread(alembic, url, "upgrade", revision, beside)
        assert await rows(connection, both) == stored
        assert await asyncio.to_thread(structure, url) == made


def _cut(stored: Counter[Row], columns: list[str], to: list[str]) -> Counter[Row]:
    """The rows, of which some columns are gone."""
    places = [columns.index(each) for each in to]
    cut: Counter[Row] = Counter()
    for row, number in stored.items():
        cut[tuple(row[place] for place in places)] += number
    return cut


@pytest.mark.parametrize("revision", ORDER)
async def test_up_and_down_and_up_again_harms_nothing_that_is_there_on_both_sides(
    at: Filled, revision: str
) -> None:
    await up_and_down_and_up(await at(before(revision)), revision)


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "sign"),
    [
        ("op.execute('DELETE FROM tombstone')", "pass", "tombstone"),
        ("op.execute('UPDATE passage SET speaker = upper(speaker)')", "pass", "passage"),
        ("op.execute('ALTER TABLE audit ADD COLUMN late text')", "pass", "late"),
        ("op.execute('CREATE INDEX late ON audit (actor)')", "pass", "late"),
        ("pass", "op.execute('UPDATE message SET text = lower(text)')", "the tram"),
        ("op.execute('DROP INDEX audit_happened_at')", "op.execute('SELECT 1')", "audit_happened_at"),
        ("op.execute('CREATE TABLE late (day date)')", "op.execute('DROP TABLE late')", "late.day"),
    ],
)
async def test_a_revision_that_does_harm_is_found(
    at: Filled, tmp_path: Path, upgrade: str, downgrade: str, sign: str
) -> None:
    with pytest.raises(AssertionError, match=sign):
        await up_and_down_and_up(await at(ORDER[-1]), MADE, make(tmp_path, upgrade, downgrade))
