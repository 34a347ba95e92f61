"""What an earlier version, which still serves, may miss after a revision; and whether that says so."""

import re
from collections.abc import Iterator, Sequence

TABLE = r"(?:IF EXISTS )?(?:ONLY )?(?:public\.)?\"?(?P<table>\w+)\"?"
TAKES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # An index that is gone makes slower, and no more.
        r"DROP (?!INDEX|DATABASE)",
        r"TRUNCATE ",
        r"ALTER (?!TABLE).* (?:RENAME|SET SCHEMA)\b",
        # Which columns may be empty is loosened by DROP NOT NULL.
        rf"ALTER TABLE {TABLE} .*\bDROP (?!NOT NULL)",
        rf"ALTER TABLE {TABLE} .*\b(?:RENAME|SET SCHEMA|SET NOT NULL|(?:SET DATA )?TYPE)\b",
        # What earlier versions write may not satisfy it.
        rf"ALTER TABLE {TABLE} .*\bADD (?:CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)\b",
        rf"ALTER TABLE {TABLE} .*\bADD (?:COLUMN )?.* NOT NULL(?!.*\b(?:DEFAULT|GENERATED)\b)",
        rf"CREATE UNIQUE INDEX .* ON {TABLE} ",
        r"REVOKE .* FROM .*\bmcp_rag_app\b",
        # What is in it nobody sees who reads statements.
        r"DO ",
    )
]
CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
SAYS = re.compile(r"COMMENT ON TABLE alembic_version IS '(\w+)'$")


def taken(statements: Sequence[str]) -> list[str]:
    """The statements that take something away which was there before the revision."""
    created = {found[1] for each in statements if (found := CREATED.match(each))}
    return [each for each in statements if any(table not in created for table in _takes(each))]


def objection(statements: Sequence[str], known: Sequence[str]) -> str | None:
    """What is wrong with a revision, the last of the `known`, that takes away; None where nothing is."""
    missing = taken(statements)
    if not missing:
        return None
    said = [found[1] for each in statements if (found := SAYS.match(each))]
    if len(said) != 1:
        return (
            f"does not say whom it still serves (COMMENT ON TABLE alembic_version), but takes away: {missing}"
        )
    return None if said[0] in known else f"serves versions of {said[0]}, which is no revision up to it"


def _takes(statement: str) -> Iterator[str | None]:
    """For each way in which it takes: from which table, where that can be told."""
    for pattern in TAKES:
        if found := pattern.match(statement):
            yield found.groupdict().get("table")
