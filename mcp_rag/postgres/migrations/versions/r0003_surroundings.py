"""What stands around a passage: its segment, the message before it, its conversation's names and language.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002a"
branch_labels = None
depends_on = None

SEGMENT = """
    CREATE TABLE segment (
        tenant_id bigint NOT NULL,
        conversation_key bigint NOT NULL,
        -- Messages `first` to `last`, by position.
        first integer NOT NULL,
        last integer NOT NULL,
        weights sparsevec(1000000000) NOT NULL,
        PRIMARY KEY (tenant_id, conversation_key, first),
        FOREIGN KEY (tenant_id, conversation_key) REFERENCES conversation ON DELETE CASCADE
    )
"""
SPEAKER_NAME = """
    CREATE TABLE speaker_name (
        tenant_id bigint NOT NULL,
        name text NOT NULL,
        conversation_key bigint NOT NULL,
        speaker text NOT NULL,
        PRIMARY KEY (tenant_id, name, conversation_key, speaker),
        FOREIGN KEY (tenant_id, conversation_key) REFERENCES conversation ON DELETE CASCADE
    )
"""
TABLES = ("segment", "speaker_name")

COLUMNS = (
    # Which version made a conversation's segments and names: 0 is none, and so work to be done.
    "ALTER TABLE conversation ADD COLUMN surroundings smallint NOT NULL DEFAULT 0",
    "ALTER TABLE conversation ADD COLUMN language text",
    # The same passage after the message before it, where there is one; and which texts were embedded.
    "ALTER TABLE embedding ADD COLUMN reply halfvec",
    "ALTER TABLE embedding ADD COLUMN recipe smallint NOT NULL DEFAULT 0",
)

INDEX = "CREATE INDEX speaker_name_conversation ON speaker_name (tenant_id, conversation_key)"


def upgrade() -> None:
    for statement in (SEGMENT, SPEAKER_NAME, *COLUMNS, INDEX):
        op.execute(statement)
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
    for column in ("surroundings", "language"):
        op.execute(f"ALTER TABLE conversation DROP COLUMN {column}")
    for column in ("reply", "recipe"):
        op.execute(f"ALTER TABLE embedding DROP COLUMN {column}")
