"""Conversations by language, and those whose surroundings are to be made anew, found without looking at all.

Revision ID: 0003a
"""

from mcp_rag.postgres.migrations.limits import build_index, drop_index

revision = "0003a"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("conversation_language", "conversation (tenant_id, (coalesce(language, 'en')))")
    build_index("conversation_surroundings", "conversation (tenant_id, surroundings)")


def downgrade() -> None:
    drop_index("conversation_surroundings")
    drop_index("conversation_language")
