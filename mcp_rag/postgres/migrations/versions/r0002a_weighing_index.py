"""Which passages are to be indexed again, found without looking at all.

Revision ID: 0002a
"""

from mcp_rag.postgres.migrations.limits import build_index, drop_index

revision = "0002a"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("passage_weighing", "passage (tenant_id, weighing)")


def downgrade() -> None:
    drop_index("passage_weighing")
