"""What lies in the tables, as the database's owner sees it."""

import asyncpg

STATISTICS = """
    SELECT tenant_id, term, sum(passages)::bigint FROM term_statistic
    GROUP BY tenant_id, term HAVING sum(passages) <> 0 ORDER BY tenant_id, term
"""
RECOUNT = """
    SELECT tenant_id, term, count(*) AS passages FROM passage, unnest(terms) AS term GROUP BY tenant_id, term
    UNION ALL SELECT tenant_id, 0, count(*) FROM passage GROUP BY tenant_id
    UNION ALL SELECT tenant_id, -1, sum(length) FROM passage GROUP BY tenant_id
    ORDER BY tenant_id, term
"""
COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
"""How many transactions wait for another to end."""


async def statistics(owner: asyncpg.Connection) -> list[tuple[int, int, int]]:
    """Tenant, term, and the number of passages that the store believes to have it."""
    return [tuple(row) for row in await owner.fetch(STATISTICS)]


async def recount(owner: asyncpg.Connection) -> list[tuple[int, int, int]]:
    """The same, counted from the passages themselves."""
    return [tuple(row) for row in await owner.fetch(RECOUNT)]


async def texts(owner: asyncpg.Connection, conversation_id: str) -> list[str]:
    """The messages of a conversation, in order, after a check that their positions have no gap."""
    rows = await owner.fetch(
        "SELECT position, text FROM message JOIN conversation USING (tenant_id, conversation_key) "
        "WHERE conversation_id = $1 ORDER BY position",
        conversation_id,
    )
    assert [row["position"] for row in rows] == list(range(len(rows)))
    return [row["text"] for row in rows]


async def places(owner: asyncpg.Connection, text: str) -> list[str]:
    """Every column of every table in which a text stands, in whatever type and case."""
    found = []
    for table, column in await owner.fetch(COLUMNS):
        query = f'SELECT count(*) FROM "{table}" WHERE strpos(lower("{column}"::text), lower($1)) > 0'
        if await owner.fetchval(query, text):
            found.append(f"{table}.{column}")
    return found
