"""How passages are indexed now, and how each was: what differs is indexed again.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# One row for each tenant, written by whoever tends the index and read by every ingest. A passage that was
# written under an earlier revision, or under none (0), is work to be done.
WEIGHING = """
    CREATE TABLE weighing (
        tenant_id bigint PRIMARY KEY REFERENCES tenant,
        revision integer NOT NULL,
        index_version integer NOT NULL,
        average_length double precision NOT NULL
    )
"""
PASSAGE = "ALTER TABLE passage ADD COLUMN weighing integer NOT NULL DEFAULT 0"

SIGNATURE = (
    "lexical_leg(sparsevec, integer[], integer[], bigint[], text, timestamptz, timestamptz, integer, integer)"
)
# Role and tenant are those of the first `lexical_leg`, which stays for processes of the version before.
# `+ 0`: the tenant alone must lead to no index but that of the entries, whatever the planner thinks of them.
LEXICAL_LEG = """
    CREATE FUNCTION lexical_leg(
        question sparsevec, any_of integer[], all_of integer[], conversations bigint[], speaker_is text,
        since timestamptz, until timestamptz, depth integer, most integer
    ) RETURNS TABLE (passage_key bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET enable_seqscan = off
    BEGIN ATOMIC
        SELECT best.passage_key
        FROM (
            SELECT found.passage_key, found.distance
            FROM (
                (
                    SELECT p.passage_key, p.weights <#> question AS distance
                    FROM passage p
                    WHERE p.terms && any_of AND p.tenant_id + 0 = (SELECT current_tenant())
                        AND (conversations IS NULL OR p.conversation_key = ANY (conversations))
                        AND (speaker_is IS NULL OR p.speaker = speaker_is)
                        AND (since IS NULL OR p.sent_at >= since) AND (until IS NULL OR p.sent_at < until)
                )
                UNION ALL
                (
                    SELECT p.passage_key, p.weights <#> question AS distance
                    FROM generate_series(1, cardinality(all_of), 3) AS place, LATERAL (
                        SELECT * FROM passage WHERE terms @> all_of[place : place + 2] OFFSET 0
                    ) AS p
                    WHERE p.tenant_id + 0 = (SELECT current_tenant())
                        AND (conversations IS NULL OR p.conversation_key = ANY (conversations))
                        AND (speaker_is IS NULL OR p.speaker = speaker_is)
                        AND (since IS NULL OR p.sent_at >= since) AND (until IS NULL OR p.sent_at < until)
                )
                -- Read in this order, the combinations in theirs: what is cut off promises least.
                LIMIT most
            ) AS found
            -- The best passages are found by several combinations.
            ORDER BY found.distance, found.passage_key
            LIMIT 10 * depth
        ) AS best
        GROUP BY best.passage_key, best.distance
        ORDER BY best.distance, best.passage_key
        LIMIT depth;
    END
"""


def upgrade() -> None:
    for statement in (WEIGHING, PASSAGE, LEXICAL_LEG):
        op.execute(statement)
    op.execute("ALTER TABLE weighing ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE weighing FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY weighing_tenant ON weighing USING (tenant_id = (SELECT current_tenant())) "
        "WITH CHECK (tenant_id = (SELECT current_tenant()))"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON weighing TO mcp_rag_app")
    op.execute("GRANT CREATE ON SCHEMA public TO mcp_rag_reader")
    op.execute(f"ALTER FUNCTION {SIGNATURE} OWNER TO mcp_rag_reader")
    op.execute("REVOKE CREATE ON SCHEMA public FROM mcp_rag_reader")
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO mcp_rag_app")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.execute("ALTER TABLE passage DROP COLUMN weighing")
    op.execute("DROP TABLE weighing")
