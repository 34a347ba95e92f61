"""Passages that could not be embedded, set aside; how long passages wait; and a look at all that waits.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006a"
branch_labels = None
depends_on = None

# The error is one of our own sentences: neither the text nor what a service said of it stands here.
EMBEDDING_FAILURE = """
    CREATE TABLE embedding_failure (
        tenant_id bigint NOT NULL,
        passage_key bigint NOT NULL,
        model_key smallint NOT NULL REFERENCES embedding_model,
        tries integer NOT NULL,
        error text NOT NULL,
        failed_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, passage_key, model_key),
        FOREIGN KEY (tenant_id, passage_key) REFERENCES passage ON DELETE CASCADE
    )
"""
# Whoever watches over a server wants to know of all tenants at once, and learns nothing but sums. Keys are
# given in the order of time, so the first that waits is the oldest. Only the indexes are read for the rest.
BACKLOG = """
    CREATE FUNCTION backlog(made_by smallint, most_tries integer)
    RETURNS TABLE (waiting bigint, set_aside bigint, oldest timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT coalesce(sum(have.passages - have.vectors - have.set_aside), 0)::bigint,
            coalesce(sum(have.set_aside), 0)::bigint,
            min(first.waiting_since)
        FROM tenant t
        LEFT JOIN embedding_model model ON model.active
        CROSS JOIN LATERAL (
            SELECT (SELECT count(*) FROM passage p WHERE p.tenant_id = t.tenant_id) AS passages,
                (
                    SELECT count(*)
                    FROM embedding e
                    WHERE e.tenant_id = t.tenant_id AND e.model_key = model.model_key AND e.recipe = made_by
                ) AS vectors,
                (
                    SELECT count(*)
                    FROM embedding_failure f
                    WHERE f.tenant_id = t.tenant_id AND f.model_key = model.model_key
                        AND f.tries >= most_tries
                ) AS set_aside
        ) AS have
        LEFT JOIN LATERAL (
            SELECT p.waiting_since
            FROM passage p
            WHERE p.tenant_id = t.tenant_id AND have.passages > have.vectors + have.set_aside
                AND NOT EXISTS (
                    SELECT FROM embedding e
                    WHERE e.tenant_id = t.tenant_id AND e.passage_key = p.passage_key
                        AND e.model_key = model.model_key AND e.recipe = made_by
                )
                AND NOT EXISTS (
                    SELECT FROM embedding_failure f
                    WHERE f.tenant_id = t.tenant_id AND f.passage_key = p.passage_key
                        AND f.model_key = model.model_key AND f.tries >= most_tries
                )
            ORDER BY p.passage_key
            LIMIT 1
        ) AS first ON true;
    END
"""
FUNCTION = "backlog(smallint, integer)"
READ = ("embedding", "embedding_failure", "embedding_model")


def upgrade() -> None:
    op.execute(EMBEDDING_FAILURE)
    # What lies there already has waited since now, as far as anybody knows; no row is rewritten for it.
    op.execute("ALTER TABLE passage ADD COLUMN waiting_since timestamptz NOT NULL DEFAULT now()")
    op.execute("ALTER TABLE embedding_failure ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE embedding_failure FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY embedding_failure_tenant ON embedding_failure "
        "USING (tenant_id = (SELECT current_tenant())) WITH CHECK (tenant_id = (SELECT current_tenant()))"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON embedding_failure TO mcp_rag_app")
    for table in READ:
        op.execute(f"GRANT SELECT ON {table} TO mcp_rag_reader")
    for table in ("embedding", "embedding_failure"):
        op.execute(f"CREATE POLICY {table}_reader ON {table} FOR SELECT TO mcp_rag_reader USING (true)")
    op.execute("GRANT CREATE ON SCHEMA public TO mcp_rag_reader")
    op.execute(BACKLOG)
    op.execute(f"ALTER FUNCTION {FUNCTION} OWNER TO mcp_rag_reader")
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO mcp_rag_app")
    op.execute("REVOKE CREATE ON SCHEMA public FROM mcp_rag_reader")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.execute("DROP TABLE embedding_failure")
    op.execute("DROP POLICY embedding_reader ON embedding")
    for table in ("embedding", "embedding_model"):
        op.execute(f"REVOKE SELECT ON {table} FROM mcp_rag_reader")
    op.execute("ALTER TABLE passage DROP COLUMN waiting_since")
