"""Vectors counted by their recipe in the index alone, which counting what waits needs.

Revision ID: 0006a
"""

from mcp_rag.postgres.migrations.limits import build_index, drop_index

revision = "0006a"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("embedding_made", "embedding (tenant_id, model_key, recipe, passage_key)")


def downgrade() -> None:
    drop_index("embedding_made")
