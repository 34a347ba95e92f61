"""What each revision does to a database that is in use, as its SQL says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.migrations import taking
from tests.migrations.revisions import MADE, ORDER, make, script, statements

ROOT = Path(__file__).parents[2]
SQUAWK = Path(sys.executable).with_name("squawk")
EXCUSED = {
    # Alembic's own table, which it makes with a varchar.
    "0001": ["prefer-text-field"],
}


def squawk(folder: Path, revision: str, sql: str) -> list[str]:
    """What it has to say of a revision, but for what that is excused."""
    file = folder / f"{revision}.sql"
    file.write_text(sql, encoding="utf-8")
    command = [SQUAWK, "--config", ROOT / ".squawk.toml", "--reporter", "gcc", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (int(bool(found)), "")
    return [each for each in found if not any(f" {rule} " in each for rule in EXCUSED.get(revision, ()))]


@pytest.mark.parametrize("revision", ORDER)
def test_squawk_has_nothing_to_say(revision: str, tmp_path: Path) -> None:
    assert squawk(tmp_path, revision, script(revision)) == []


@pytest.mark.parametrize(
    ("upgrade", "rule"),
    [
        ("CREATE INDEX late ON passage (length)", "require-concurrent-index-creation"),
        ("ALTER TABLE passage ALTER COLUMN length TYPE bigint", "changing-column-type"),
        ("ALTER TABLE passage ALTER COLUMN speaker SET NOT NULL", "adding-not-nullable-field"),
        (
            "ALTER TABLE passage ADD COLUMN late timestamptz DEFAULT clock_timestamp()",
            "adding-field-with-default",
        ),
        ("ALTER TABLE passage ADD CONSTRAINT long CHECK (length > 0)", "constraint-missing-not-valid"),
        ("ALTER TABLE passage RENAME COLUMN length TO words", "renaming-column"),
        ("ALTER TABLE passage DROP COLUMN length", "ban-drop-column"),
    ],
)
def test_squawk_reads_a_revision_that_would_stop_those_who_serve(
    tmp_path: Path, upgrade: str, rule: str
) -> None:
    found = squawk(tmp_path, MADE, script(MADE, make(tmp_path, f"op.execute({upgrade!r})")))
    assert [each for each in found if f" {rule} " in each]


def test_one_statement_is_excused_by_a_comment_before_it(tmp_path: Path) -> None:
    excuse = "-- Nothing reads it since 0.2.\n-- squawk-ignore ban-drop-column"
    statement = f"{excuse}\nALTER TABLE passage DROP COLUMN length"
    assert squawk(tmp_path, MADE, script(MADE, make(tmp_path, f"op.execute({statement!r})"))) == []


def test_the_sql_of_a_revision_has_its_limits_first(tmp_path: Path) -> None:
    assert statements(script("0002"))[:3] == [
        "SET lock_timeout = '500ms'",
        "SET statement_timeout = '60s'",
        "BEGIN",
    ]


@pytest.mark.parametrize("revision", ORDER)
def test_what_is_built_concurrently_is_all_that_its_revision_does(revision: str) -> None:
    assert in_pieces(statements(script(revision))) == []


def test_a_revision_that_may_stop_half_way_is_found(tmp_path: Path) -> None:
    column = 'op.execute("ALTER TABLE passage ADD COLUMN late boolean"); '
    index = 'build_index("passage_late", "passage (late)")'
    assert in_pieces(statements(script(MADE, make(tmp_path, index)))) == []
    assert in_pieces(statements(script(MADE, make(tmp_path, column + index)))) == [
        "ALTER TABLE passage ADD COLUMN late boolean"
    ]


ALONE = (
    "SET ",
    "BEGIN",
    "COMMIT",
    "CREATE INDEX CONCURRENTLY ",
    "DROP INDEX CONCURRENTLY ",
    "UPDATE alembic_version ",
)


def in_pieces(made: list[str]) -> list[str]:
    """What stands beside a concurrent build: when that fails it is done already, and is done once more."""
    if not any(" CONCURRENTLY " in each for each in made):
        return []
    return [each for each in made if not each.startswith(ALONE)]


# The first has none before it that could miss anything.
@pytest.mark.parametrize("revision", ORDER[1:])
def test_what_takes_away_says_whom_it_still_serves(revision: str) -> None:
    known = ORDER[: ORDER.index(revision) + 1]
    assert taking.objection(statements(script(revision)), known) is None


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE tombstone",
        "DROP FUNCTION tenant_ids",
        "ALTER TABLE passage DROP COLUMN length",
        "ALTER TABLE passage ALTER COLUMN weighing DROP DEFAULT",
        "ALTER TABLE passage RENAME TO piece",
        "ALTER TABLE passage RENAME COLUMN length TO words",
        "ALTER TABLE passage ALTER COLUMN length TYPE bigint",
        "ALTER TABLE passage ALTER length SET DATA TYPE bigint",
        "ALTER TABLE ONLY passage ALTER COLUMN speaker SET NOT NULL",
        "ALTER TABLE passage ADD CONSTRAINT long CHECK (length > 0) NOT VALID",
        "ALTER TABLE passage ADD COLUMN late boolean NOT NULL",
        "ALTER FUNCTION tenant_ids RENAME TO ids_of_tenants",
        "CREATE UNIQUE INDEX once ON tombstone (digest)",
        "REVOKE DELETE ON passage FROM mcp_rag_app",
        "TRUNCATE change",
        "DO $$ BEGIN EXECUTE 'DROP TABLE change'; END $$",
    ],
)
def test_a_revision_that_takes_away_and_does_not_say_so_is_found(tmp_path: Path, statement: str) -> None:
    silent = statements(script(MADE, make(tmp_path, f"op.execute({statement!r})")))
    assert f"takes away: {[statement]}" in (taking.objection(silent, [*ORDER, MADE]) or "")
    says = f"op.execute({statement!r}); op.execute(\"COMMENT ON TABLE alembic_version IS '{ORDER[-1]}'\")"
    said = statements(script(MADE, make(tmp_path, says)))
    assert taking.objection(said, [*ORDER, MADE]) is None
    assert "no revision up to it" in (taking.objection(said, [*ORDER[:-1], MADE]) or "")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE later (tenant_id bigint NOT NULL)",
        "ALTER TABLE passage ADD COLUMN late boolean NOT NULL DEFAULT false",
        "ALTER TABLE passage ADD COLUMN late boolean",
        "ALTER TABLE passage ALTER COLUMN context DROP NOT NULL",
        "DROP INDEX CONCURRENTLY IF EXISTS passage_weighing",
        "REVOKE ALL ON FUNCTION tenant_ids() FROM PUBLIC",
        "GRANT SELECT ON passage TO mcp_rag_app",
        "COMMENT ON COLUMN passage.length IS 'We DROP nothing, and RENAME nothing'",
    ],
)
def test_a_revision_that_only_adds_need_not_say_anything(statement: str) -> None:
    assert taking.taken([statement]) == []


def test_what_a_revision_does_to_its_own_table_takes_nothing_away() -> None:
    own = ["CREATE TABLE later (day date)", "CREATE UNIQUE INDEX later_day ON later (day)"]
    assert taking.taken(own) == []
    assert taking.taken(own[1:]) == own[1:]
