"""What calls with an idempotency key were answered, so that they are done once.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IDEMPOTENCY_KEY = """
    CREATE TABLE idempotency_key (
        tenant_id bigint NOT NULL REFERENCES tenant,
        key text NOT NULL,
        -- Of the call, under the tenant's key of tombstones: what was sent cannot be guessed from it.
        digest bytea NOT NULL,
        receipt text,
        conversation_key bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, key),
        -- A receipt names its conversation, and is forgotten with it.
        FOREIGN KEY (tenant_id, conversation_key) REFERENCES conversation ON DELETE CASCADE
    )
"""


def upgrade() -> None:
    op.execute(IDEMPOTENCY_KEY)
    op.execute("CREATE INDEX idempotency_key_created_at ON idempotency_key (tenant_id, created_at)")
    op.execute(
        "CREATE INDEX idempotency_key_conversation ON idempotency_key (tenant_id, conversation_key) "
        "WHERE conversation_key IS NOT NULL"
    )
    op.execute("ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY idempotency_key_tenant ON idempotency_key "
        "USING (tenant_id = (SELECT current_tenant())) WITH CHECK (tenant_id = (SELECT current_tenant()))"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO mcp_rag_app")


def downgrade() -> None:
    op.execute("DROP TABLE idempotency_key")
