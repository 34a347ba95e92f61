"""How long a migration waits, and indexes that nobody waits for."""

from alembic import op

AT_ONCE = ("SET lock_timeout = '500ms'", "SET statement_timeout = '60s'")
"""Callers wait behind a statement that waits for a lock, and then as long as it holds it.

So it gives up soon, and is run again. Where it and a caller wait for one another, Postgres looks after a
second (deadlock_timeout) and ends one of them: by then it has given up.
"""
BESIDE = ("SET lock_timeout = 0", "SET statement_timeout = '1h'")
"""Nobody waits for a concurrent build, which itself waits for every transaction that was there before."""


def build_index(name: str, on: str) -> None:
    """Make an index while the table is read and written. All that its revision does.

    It is no part of a transaction. One that was interrupted has left an index that is kept up and never used,
    and the revision is run again: so what is there is taken away first.
    """
    with op.get_context().autocommit_block():
        for setting in BESIDE:
            op.execute(setting)
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}")
        for setting in AT_ONCE:
            op.execute(setting)


def drop_index(name: str) -> None:
    """Take away what `build_index` has made."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
