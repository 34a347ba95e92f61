import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from mcp_rag import errors, lexicon, reindexing
from mcp_rag.models import Address, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres import schema
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import DEFAULT_TENANT, Rag
from tests import inspection
from tests.chats import ids, keep, persons
from tests.conftest import Borrowed
from tests.migrations.revisions import alembic, structure

MIGRATE = "import asyncio, sys; from mcp_rag.postgres import schema; asyncio.run(schema.migrate(sys.argv[1]))"


def test_the_revision_that_a_start_asks_for_is_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(Config(str(schema.config_file())))
    assert scripts.get_current_head() == schema.REVISION


async def test_down_and_up_again_leaves_the_same_schema_and_a_store_that_works(
    rag: Rag, database_url: str, owner: asyncpg.Connection
) -> None:
    await rag.ingest("trip", [NewMessage(text="The tram to the harbour.")])
    await rag.vectors.drain()
    before = await asyncio.to_thread(structure, database_url)
    await asyncio.to_thread(alembic, database_url, "downgrade", "base")
    assert [row[0] for row in await owner.fetch(TABLES)] == ["alembic_version"]
    with pytest.raises(errors.SchemaOutdated):
        await rag.search("tram")
    await asyncio.to_thread(alembic, database_url, "upgrade", "head")
    await schema.index_vectors(database_url, 384)
    assert await asyncio.to_thread(structure, database_url) == before
    await owner.reload_schema_state()
    database = Database(url=database_url)
    await database.open()
    assert await owner.fetchval("SELECT count(*) FROM conversation") == 0
    await database.close()


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


async def test_upgrading_again_keeps_what_is_stored(
    rag: Rag, database_url: str, owner: asyncpg.Connection
) -> None:
    await rag.ingest("trip", [NewMessage(text="The tram to the harbour.")])
    await schema.migrate(database_url)
    assert (await rag.fetch(Address(conversation_id="trip"))).messages[0].text == "The tram to the harbour."
    assert await inspection.statistics(owner) == await inspection.recount(owner)


async def test_two_migrators_at_once_both_succeed(new_url: str) -> None:
    runs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, new_url, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [(await run.communicate())[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert await schema.state(new_url) == schema.State(schema.REVISION)


async def test_a_new_external_database_is_migrated_by_the_first_who_opens_it(new_url: str) -> None:
    assert await schema.state(new_url) is None
    database = Database(url=new_url)
    await database.open()
    await database.close()
    assert await schema.state(new_url) == schema.State(schema.REVISION)


async def test_an_external_database_of_an_earlier_version_is_refused_and_left_alone(
    database_url: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(errors.SchemaOutdated) as caught:
        await Database(url=database_url).open()
    assert caught.value.cause == f"The database is at revision 0000, this version needs {schema.REVISION}."
    assert "mcp-rag migrate" in caught.value.remedy
    assert await schema.state(database_url) == schema.State("0000")


async def test_a_version_goes_on_with_a_later_schema_until_that_takes_something_away(
    database_url: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE alembic_version SET version_num = '9998'")
    for oldest in (None, schema.REVISION):
        await _serves(owner, oldest)
        database = Database(url=database_url)
        await database.open()
        await database.close()
        await schema.migrate(database_url)
        assert await schema.state(database_url) == schema.State("9998", oldest)

    await _serves(owner, "9997")
    for use in (Database(url=database_url).open, lambda: schema.migrate(database_url)):
        with pytest.raises(errors.SchemaOutdated) as caught:
            await use()
        assert f"9998, which serves versions of 9997 and later; this one is of {schema.REVISION}" in str(
            caught.value
        )
        assert "later one" in caught.value.remedy


async def _serves(owner: asyncpg.Connection, oldest: str | None) -> None:
    """As a revision says it."""
    said = "NULL" if oldest is None else f"'{oldest}'"
    await owner.execute(f"COMMENT ON TABLE alembic_version IS {said}")


async def test_a_role_that_may_not_make_tables_is_told_what_the_database_refused(
    new_url: str, postgres: str
) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute("DROP ROLE IF EXISTS weak")
    await connection.execute("CREATE ROLE weak")
    with pytest.raises(errors.StoreError) as caught:
        await Database(url=f"{new_url}&role=weak").open()
    assert "permission denied" in caught.value.cause
    await connection.execute("DROP ROLE weak")
    await connection.close()


def test_alembic_finds_the_database_from_any_directory(database_url: str, tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MCP_RAG_", "ALEMBIC"))
    }
    environment |= {
        "ALEMBIC_CONFIG": str(schema.config_file()),
        "MCP_RAG_DATABASE_URL": database_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run(
        [sys.executable, "-m", "alembic", "current"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.stdout.split() == [schema.REVISION, "(head)"], run.stderr
    assert run.returncode == 0


FIRST_REVISION = """
    WITH c AS (
        INSERT INTO conversation (tenant_id, conversation_id, title, kind, message_count)
        VALUES (1, 'trip', 'Trip', 'chat', 1) RETURNING conversation_key
    ), m AS (
        INSERT INTO message (tenant_id, conversation_key, position, identity, digest, speaker, text)
        SELECT 1, conversation_key, 0, 'i', 'd', 'Ana', $1 FROM c RETURNING conversation_key, message_key
    ), p AS (
        INSERT INTO passage
            (tenant_id, conversation_key, message_key, start, stop, context, terms, weights, length)
        SELECT 1, conversation_key, message_key, 0, length($1), 'Trip, Ana',
            $2::integer[], $3::text::sparsevec, $4
        FROM m
    )
    INSERT INTO term_statistic (tenant_id, term, passages)
    SELECT 1, term, 1 FROM unnest($2::integer[]) AS term UNION ALL VALUES (1, 0, 1), (1, -1, $4::integer)
"""
STORED = "SELECT context, terms, weights::text, length, weighing FROM passage"


async def test_what_the_first_revision_stored_is_found_at_once_and_then_indexed_as_it_would_be_now(
    new_url: str, rag: Rag, store: Store, owner: asyncpg.Connection, embedder: Embedder
) -> None:
    text = "The tram, the tram, the tram to the harbour."
    old = lexicon.passage_terms(f"Trip, Ana: {text}", tenant_id=DEFAULT_TENANT, average_length=40)
    weights = ",".join(f"{term}:{weight}" for term, weight in zip(old.terms, old.weights, strict=True))
    await asyncio.to_thread(alembic, new_url, "upgrade", "0001")
    connection = await asyncpg.connect(new_url)
    await connection.execute(
        FIRST_REVISION, text, old.terms, f"{{{weights}}}/{lexicon.TERM_SPACE}", old.length
    )
    await schema.migrate(new_url)
    database = Database(url=new_url)
    await database.open()
    upgraded = Rag(Store(database), Borrowed(embedder))
    assert [hit.text for hit in (await upgraded.search("tram")).results] == [text]
    await reindexing.tend(Store(database), DEFAULT_TENANT)
    assert [hit.text for hit in (await upgraded.search("tram")).results] == [text]
    await database.close()

    await rag.ingest("trip", [NewMessage(text=text, speaker="Ana")], title="Trip")
    await reindexing.tend(store, DEFAULT_TENANT)
    assert [tuple(row) for row in await connection.fetch(STORED)] == [
        tuple(row) for row in await owner.fetch(STORED)
    ]
    assert await inspection.statistics(connection) == await inspection.recount(connection)
    await connection.close()


DERIVED = [
    "SELECT first, last, weights::text FROM segment ORDER BY conversation_key, first",
    "SELECT name, speaker FROM speaker_name ORDER BY name, speaker",
    "SELECT surroundings, language FROM conversation ORDER BY conversation_key",
    "SELECT passage_key, recipe, reply IS NULL FROM embedding ORDER BY passage_key",
    "SELECT passage_key, terms FROM passage ORDER BY passage_key",
]
GERMAN = """Na, wie war dein Tag? Ganz gut, aber ich musste lange arbeiten. Hast du die Rechnungen bezahlt?
Noch nicht, das mache ich morgen, wenn ich wieder zu Hause bin und die Häuser gesehen habe."""


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_what_stands_around_the_messages_of_an_older_store_is_made_once_it_is_upgraded(
    rag: Rag, database_url: str, owner: asyncpg.Connection, embedder: Embedder, revision: str
) -> None:
    said = ("Which instrument does your cousin play?", "The oboe. Ask her, Mel!", "The boat is late, Mel.")
    await keep(rag, "talk", ("Melanie", said[0]), ("Ben", said[1]), ("Ben", said[2]))
    await keep(rag, "rede", ("Ute", GERMAN))
    await rag.vectors.drain()
    made = [[tuple(row) for row in await owner.fetch(query)] for query in DERIVED]
    await asyncio.to_thread(alembic, database_url, "downgrade", revision)
    await asyncio.to_thread(alembic, database_url, "upgrade", "head")
    await owner.reload_schema_state()
    database = Database(url=database_url)
    await database.open()
    upgraded = Rag(Store(database), Borrowed(embedder))
    upgraded.vectors.start(work=False)
    await upgraded.vectors.ready()
    assert ids(await upgraded.search("the late boat"))[0] == "talk#2"
    assert await persons(upgraded, "Mel's instrument") == set()
    await upgraded.vectors.drain()
    assert await persons(upgraded, "Mel's instrument") == {"Melanie"}
    await upgraded.vectors.drain()
    assert [[tuple(row) for row in await owner.fetch(query)] for query in DERIVED] == made
    assert await inspection.statistics(owner) == await inspection.recount(owner)
    await upgraded.vectors.close()
    await database.close()
