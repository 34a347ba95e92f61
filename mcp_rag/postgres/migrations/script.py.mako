"""${message}

Revision ID: ${up_revision}
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# Earlier versions go on with it: it only adds. What takes away something that they use tells the oldest revision
# whose versions still work: op.execute("COMMENT ON TABLE alembic_version IS '0009'"), and back in downgrade.
# An index on a table that has rows: limits.build_index, in a revision of its own. See CONTRIBUTING.md.


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
