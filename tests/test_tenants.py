from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest

from mcp_rag import lexicon
from mcp_rag.errors import UnknownConversation
from mcp_rag.identity import LOCAL
from mcp_rag.models import Address, Failure, NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.aside import Tally
from mcp_rag.postgres.identities import Identities
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests import inspection
from tests.conftest import Borrowed

TABLES = (
    "conversation",
    "message",
    "passage",
    "embedding",
    "term_statistic",
    "tombstone",
    "tenant",
    "weighing",
    "segment",
    "speaker_name",
    "change",
    "token_use",
    "api_token",
    "audit",
    "embedding_failure",
    "idempotency_key",
)
SECOND = LOCAL.model_copy(update={"tenant_id": 2})
LEG = "SELECT * FROM lexical_leg($1::text::sparsevec, $2, '{}', null, null, null, null, 10, 100)"
SHARED = {"alembic_version", "embedding_model"}
"""Tables of the whole store: the schema's revision, and which models there are."""


@pytest.fixture
async def second(rag: Rag, store: Store, embedder: Embedder, owner: asyncpg.Connection) -> AsyncIterator[Rag]:
    """Another tenant's service; both have stored a conversation under the same id, and forgotten another."""
    await owner.execute("INSERT INTO tenant (tenant_id, name, tombstone_key) VALUES (2, 'second', 'key')")
    second = Rag(store, Borrowed(embedder), caller=SECOND)
    second.vectors.start(work=False)
    for service, secret in ((rag, "walrus"), (second, "pelican")):
        await service.ingest(
            "plan",
            [NewMessage(text=f"The word of the day is {secret}.", speaker="Ana")],
            title=secret,
            key="once",
        )
        await service.ingest(f"old {secret}", [NewMessage(text="gone")])
        await service.forget(conversation_ids=[f"old {secret}"], dry_run=False)
    await rag.vectors.drain()
    for tenant in ("default", "second"):
        await Identities(store.database).create_token(tenant, "reader", ["read"], None)
    for tenant_id in (1, 2):
        async with store.transaction(tenant_id) as tx:
            await tx.use_tokens(date(2026, 3, 1), 100 * tenant_id)
            passages, _ = await tx.message_passages("plan", 0, None)
            await tx.note_failures(rag.vectors.model_key, [Failure(passages[0], "refused")])
    yield second
    await second.vectors.close()


@pytest.fixture
async def application(owner: asyncpg.Connection) -> asyncpg.Connection:
    """A connection as the role that the service works under, with no tenant set."""
    await owner.execute("SET ROLE mcp_rag_app")
    return owner


async def become(application: asyncpg.Connection, tenant_id: int) -> None:
    await application.execute("SELECT set_config('mcp_rag.tenant', $1, false)", str(tenant_id))


async def test_two_tenants_with_the_same_ids_read_only_their_own(rag: Rag, second: Rag) -> None:
    for service, own, other in ((rag, "walrus", "pelican"), (second, "pelican", "walrus")):
        assert own in (await service.fetch(Address(conversation_id="plan"))).messages[0].text
        assert [hit.title for hit in (await service.search("the word of the day")).results] == [own]
        assert (await service.search(other)).results[0].title == own
        assert [c.title for c in (await service.list_conversations()).conversations] == [own]
        assert await service.complete("conversation_ids", "pl") == ["plan"]
        assert await service.complete("conversation_ids", other) == []
        assert (await service.status()).messages == 1
        with pytest.raises(UnknownConversation):
            await service.fetch(Address(conversation_id=f"old {other}"))


async def test_forgetting_in_one_tenant_leaves_the_other_whole(
    rag: Rag, second: Rag, owner: asyncpg.Connection
) -> None:
    await rag.forget(conversation_ids=["plan"], dry_run=False)
    assert (await rag.ingest("plan", [NewMessage(text="again")])).skipped
    assert (await second.ingest("plan", [NewMessage(text="more")])).added == 1
    assert (await second.search("pelican")).total == 2
    assert await inspection.statistics(owner) == await inspection.recount(owner)


@pytest.mark.parametrize("table", TABLES)
async def test_raw_sql_of_the_application_sees_no_row_without_a_tenant_and_only_its_own_with_one(
    rag: Rag, second: Rag, application: asyncpg.Connection, table: str
) -> None:
    assert await application.fetch(f"SELECT * FROM {table}") == []
    for tenant_id in (1, 2):
        await become(application, tenant_id)
        tenants = await application.fetch(f"SELECT DISTINCT tenant_id FROM {table}")
        assert [row["tenant_id"] for row in tenants] == [tenant_id]
    await become(application, 3)
    assert await application.fetch(f"SELECT * FROM {table}") == []


async def test_what_waits_of_all_tenants_is_told_as_sums_and_to_each_tenant_its_own(
    rag: Rag, second: Rag, tally: Tally
) -> None:
    await second.ingest("more", [NewMessage(text="Something to embed.")])
    told = await tally.count()
    assert (told.waiting, told.set_aside) == (1, 0)
    assert (await rag.status()).pending == 0


async def test_the_application_cannot_write_into_another_tenant(
    rag: Rag, second: Rag, application: asyncpg.Connection
) -> None:
    await become(application, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await application.execute(
            "INSERT INTO conversation (tenant_id, conversation_id, kind) VALUES (2, 'x', 'chat')"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await application.execute("UPDATE conversation SET tenant_id = 2")
    assert await application.execute("DELETE FROM message WHERE tenant_id = 2") == "DELETE 0"
    assert await application.execute("UPDATE message SET text = 'x' WHERE tenant_id = 2") == "UPDATE 0"


async def test_the_function_that_reads_all_passages_shows_only_those_of_the_current_tenant(
    rag: Rag, second: Rag, application: asyncpg.Connection
) -> None:
    found = {}
    for tenant_id in (1, 2):
        terms = list(lexicon.query_terms("word day walrus pelican", tenant_id=tenant_id))
        question = "{" + ",".join(f"{term}:1" for term in sorted(terms)) + "}/1000000000"
        for current in (1, 2):
            await become(application, current)
            found[tenant_id, current] = await application.fetch(
                LEG,
                question,
                terms,
            )
    assert {key: len(rows) for key, rows in found.items()} == {(1, 1): 1, (1, 2): 0, (2, 1): 0, (2, 2): 1}
    await application.execute("RESET mcp_rag.tenant")
    assert await application.fetch(LEG, question, terms) == []


async def test_every_table_of_tenants_is_behind_forced_row_security(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class "
        "WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    assert {row["relname"] for row in rows if row["forced"]} == set(TABLES)
    assert {row["relname"] for row in rows if not row["forced"]} == SHARED


async def test_the_roles_of_the_service_own_no_table_and_cannot_get_around_row_security(
    owner: asyncpg.Connection,
) -> None:
    roles = await owner.fetch(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS mighty "
        "FROM pg_roles WHERE rolname IN ('mcp_rag_app', 'mcp_rag_reader') ORDER BY rolname"
    )
    assert [tuple(row) for row in roles] == [("mcp_rag_app", False), ("mcp_rag_reader", False)]
    owned = "SELECT count(*) FROM {} WHERE pg_get_userbyid({}) = $1"
    for role, functions in (("mcp_rag_app", 0), ("mcp_rag_reader", 8)):
        assert await owner.fetchval(owned.format("pg_class", "relowner"), role) == 0
        assert await owner.fetchval(owned.format("pg_namespace", "nspowner"), role) == 0
        assert await owner.fetchval(owned.format("pg_proc", "proowner"), role) == functions
        assert not await owner.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", role)
    for role in ("mcp_rag_reader", "postgres"):
        assert not await owner.fetchval("SELECT pg_has_role('mcp_rag_app', $1, 'MEMBER')", role)


async def test_every_key_begins_with_the_tenant(owner: asyncpg.Connection) -> None:
    """Except the names of tenants, and the models, which no tenant owns."""
    others = await owner.fetch(
        """
        SELECT conrelid::regclass || ' ' || pg_get_constraintdef(con.oid)
        FROM pg_constraint con
        JOIN pg_attribute first ON first.attrelid = conrelid AND first.attnum = conkey[1]
        WHERE contype IN ('p', 'u', 'f') AND connamespace = 'public'::regnamespace
            AND first.attname <> 'tenant_id' AND conrelid::regclass::text <> ALL ($1)
        UNION ALL
        SELECT indrelid::regclass || ' ' || indexrelid::regclass
        FROM pg_index
        JOIN pg_attribute first ON first.attrelid = indrelid AND first.attnum = indkey[0]
        JOIN pg_class ON pg_class.oid = indrelid AND relnamespace = 'public'::regnamespace
        WHERE indisunique AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            AND first.attname <> 'tenant_id' AND indrelid::regclass::text <> ALL ($1)
        """,
        sorted(SHARED),
    )
    assert sorted(row[0] for row in others) == [
        "embedding FOREIGN KEY (model_key) REFERENCES embedding_model(model_key)",
        "embedding_failure FOREIGN KEY (model_key) REFERENCES embedding_model(model_key)",
        "tenant UNIQUE (name)",
    ]
