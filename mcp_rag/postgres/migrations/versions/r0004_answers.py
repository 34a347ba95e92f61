"""What answers are kept by and paid from: changes of the store, and tokens that models have used.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003a"
branch_labels = None
depends_on = None

CHANGE = """
    -- Only ever added to, so that nobody waits for another; entries of one bucket are folded into their sum.
    CREATE TABLE change (
        tenant_id bigint NOT NULL,
        -- The conversation's key, modulo 64.
        bucket smallint NOT NULL,
        changes bigint NOT NULL
    )
"""
TOKEN_USE = """
    CREATE TABLE token_use (
        tenant_id bigint NOT NULL,
        day date NOT NULL,
        tokens bigint NOT NULL,
        PRIMARY KEY (tenant_id, day)
    )
"""
TABLES = ("change", "token_use")


def upgrade() -> None:
    op.execute(CHANGE)
    op.execute(TOKEN_USE)
    op.execute("CREATE INDEX change_bucket ON change (tenant_id, bucket)")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_tenant ON {table} USING (tenant_id = (SELECT current_tenant())) "
            "WITH CHECK (tenant_id = (SELECT current_tenant()))"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO mcp_rag_app")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
