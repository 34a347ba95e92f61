"""What tenants use, told to whoever watches over the server: by name of those who use most.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Names of tenants are the operator's, and whoever watches is one. All but those with the most are told of
# together, so that what is told does not grow with them. Term 0 is in every passage: no passage is looked at.
TENANT_USAGE = """
    CREATE FUNCTION tenant_usage(named integer, today date)
    RETURNS TABLE (measure text, tenant text, amount bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT placed.measure, CASE WHEN placed.place <= named THEN placed.name ELSE '' END,
            sum(placed.amount)::bigint
        FROM (
            SELECT used.measure, t.name, used.amount,
                row_number() OVER (PARTITION BY used.measure ORDER BY used.amount DESC, t.tenant_id) AS place
            FROM tenant t
            CROSS JOIN LATERAL (
                SELECT 'passages', coalesce(sum(s.passages), 0)
                FROM term_statistic s
                WHERE s.tenant_id = t.tenant_id AND s.term = 0
                UNION ALL
                SELECT 'tokens', coalesce(sum(u.tokens), 0)
                FROM token_use u
                WHERE u.tenant_id = t.tenant_id AND u.day = today
            ) AS used (measure, amount)
        ) AS placed
        GROUP BY 1, 2;
    END
"""
FUNCTION = "tenant_usage(integer, date)"
READ = ("term_statistic", "token_use")


def upgrade() -> None:
    for table in READ:
        op.execute(f"GRANT SELECT ON {table} TO mcp_rag_reader")
        op.execute(f"CREATE POLICY {table}_reader ON {table} FOR SELECT TO mcp_rag_reader USING (true)")
    op.execute("GRANT CREATE ON SCHEMA public TO mcp_rag_reader")
    op.execute(TENANT_USAGE)
    op.execute(f"ALTER FUNCTION {FUNCTION} OWNER TO mcp_rag_reader")
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO mcp_rag_app")
    op.execute("REVOKE CREATE ON SCHEMA public FROM mcp_rag_reader")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    for table in READ:
        op.execute(f"DROP POLICY {table}_reader ON {table}")
        op.execute(f"REVOKE SELECT ON {table} FROM mcp_rag_reader")
