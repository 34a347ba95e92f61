"""Conversations, messages, passages, vectors, statistics, tombstones; every row behind its tenant.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TENANT_TABLES = ("tenant", "conversation", "message", "passage", "embedding", "term_statistic", "tombstone")

EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector"

# Roles belong to the whole server: two databases may be migrated at the same time.
ROLES = """
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['mcp_rag_app', 'mcp_rag_reader'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, name, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        END IF;
    END LOOP;
END $$
"""

TABLES = (
    """
    CREATE TABLE tenant (
        tenant_id bigint PRIMARY KEY,
        name text NOT NULL UNIQUE,
        -- Tombstones are hashes under this key: without it nobody can ask whether an id was ever stored.
        tombstone_key bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE conversation (
        tenant_id bigint NOT NULL REFERENCES tenant,
        conversation_key bigint GENERATED ALWAYS AS IDENTITY,
        conversation_id text NOT NULL,
        title text,
        source text,
        kind text NOT NULL CHECK (kind IN ('chat', 'document')),
        tags text[] NOT NULL DEFAULT '{}',
        message_count integer NOT NULL DEFAULT 0,
        started_at timestamptz,
        ended_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        recent_at timestamptz GENERATED ALWAYS AS (coalesce(ended_at, created_at)) STORED,
        PRIMARY KEY (tenant_id, conversation_key),
        UNIQUE (tenant_id, conversation_id)
    )
    """,
    """
    CREATE TABLE message (
        tenant_id bigint NOT NULL,
        message_key bigint GENERATED ALWAYS AS IDENTITY,
        conversation_key bigint NOT NULL,
        position integer NOT NULL,
        -- Which message of its conversation this is, whatever its text; and what it says, as a digest.
        identity bytea NOT NULL,
        digest bytea NOT NULL,
        speaker text,
        sent_at timestamptz,
        text text NOT NULL,
        PRIMARY KEY (tenant_id, message_key),
        UNIQUE (tenant_id, conversation_key, position) DEFERRABLE INITIALLY DEFERRED,
        UNIQUE (tenant_id, conversation_key, identity),
        FOREIGN KEY (tenant_id, conversation_key) REFERENCES conversation ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE passage (
        tenant_id bigint NOT NULL,
        passage_key bigint GENERATED ALWAYS AS IDENTITY,
        conversation_key bigint NOT NULL,
        message_key bigint NOT NULL,
        -- The passage is message.text[start, stop), in characters: text is stored once.
        start integer NOT NULL,
        stop integer NOT NULL,
        context text NOT NULL,
        speaker text,
        sent_at timestamptz,
        terms integer[] NOT NULL,
        weights sparsevec(1000000000) NOT NULL,
        length integer NOT NULL,
        PRIMARY KEY (tenant_id, passage_key),
        FOREIGN KEY (tenant_id, message_key) REFERENCES message ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE embedding_model (
        model_key smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        dimensions integer NOT NULL,
        fingerprint text NOT NULL,
        active boolean NOT NULL DEFAULT false,
        UNIQUE (name, dimensions, fingerprint)
    )
    """,
    # Apart from its passage, because vectors are derived: a new model fills in beside the old one, and a
    # vector that arrives touches no index but its own.
    """
    CREATE TABLE embedding (
        tenant_id bigint NOT NULL,
        passage_key bigint NOT NULL,
        model_key smallint NOT NULL REFERENCES embedding_model,
        vector halfvec NOT NULL,
        PRIMARY KEY (tenant_id, passage_key, model_key),
        FOREIGN KEY (tenant_id, passage_key) REFERENCES passage ON DELETE CASCADE
    )
    """,
    # Append-only: a common term is in every ingest, and one row for it would make writers wait and deadlock.
    # `entry` rows of a term are summed when read and folded into one now and then.
    """
    CREATE TABLE term_statistic (
        tenant_id bigint NOT NULL REFERENCES tenant,
        term integer NOT NULL,
        entry bigint GENERATED ALWAYS AS IDENTITY,
        passages bigint NOT NULL,
        PRIMARY KEY (tenant_id, term, entry) INCLUDE (passages)
    )
    """,
    """
    CREATE TABLE tombstone (
        tenant_id bigint NOT NULL REFERENCES tenant,
        digest bytea NOT NULL,
        forgotten_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, digest)
    )
    """,
)

INDEXES = (
    "CREATE UNIQUE INDEX embedding_model_active ON embedding_model (active) WHERE active",
    "CREATE INDEX conversation_recent ON conversation (tenant_id, recent_at DESC, conversation_key DESC)",
    "CREATE INDEX passage_terms ON passage USING gin (terms) WITH (fastupdate = off)",
    "CREATE INDEX passage_conversation ON passage (tenant_id, conversation_key)",
    "CREATE INDEX passage_message ON passage (tenant_id, message_key)",
    "CREATE INDEX passage_speaker ON passage (tenant_id, speaker)",
    "CREATE INDEX passage_sent_at ON passage (tenant_id, sent_at)",
)

# A GIN index is never used for a role under row-level security, because `&&` is not leakproof. So the one
# statement that needs it is a function of a role that reads passages of every tenant and does nothing else;
# it looks only at the tenant of the transaction, like the policies.
FUNCTIONS = (
    """
    CREATE FUNCTION current_tenant() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('mcp_rag.tenant', true), '')::bigint
    """,
    """
    CREATE FUNCTION lexical_leg(
        question sparsevec, candidates integer[], conversations bigint[], speaker_is text,
        since timestamptz, until timestamptz, depth integer
    ) RETURNS TABLE (passage_key bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT p.passage_key
        FROM passage p
        WHERE p.tenant_id = current_tenant() AND p.terms && candidates
            AND (conversations IS NULL OR p.conversation_key = ANY (conversations))
            AND (speaker_is IS NULL OR p.speaker = speaker_is)
            AND (since IS NULL OR p.sent_at >= since) AND (until IS NULL OR p.sent_at < until)
        ORDER BY p.weights <#> question
        LIMIT depth;
    END
    """,
    """
    CREATE FUNCTION tenant_ids() RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT t.tenant_id FROM tenant t ORDER BY t.tenant_id;
    END
    """,
)

DEFAULT_TENANT = """
INSERT INTO tenant (tenant_id, name, tombstone_key)
VALUES (1, 'default', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
"""


def _protect(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_tenant ON {table} USING (tenant_id = (SELECT current_tenant())) "
        "WITH CHECK (tenant_id = (SELECT current_tenant()))"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO mcp_rag_app")


def _give_to_reader(function: str, table: str) -> None:
    op.execute(f"CREATE POLICY {table}_reader ON {table} FOR SELECT TO mcp_rag_reader USING (true)")
    op.execute(f"GRANT SELECT ON {table} TO mcp_rag_reader")
    op.execute(f"ALTER FUNCTION {function} OWNER TO mcp_rag_reader")
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO mcp_rag_app")


def upgrade() -> None:
    op.execute(EXTENSION)
    op.execute(ROLES)
    for statement in (*TABLES, *INDEXES, *FUNCTIONS, DEFAULT_TENANT):
        op.execute(statement)
    for table in TENANT_TABLES:
        _protect(table)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON tenant FROM mcp_rag_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON embedding_model TO mcp_rag_app")
    op.execute("GRANT SELECT ON alembic_version TO mcp_rag_app")
    # A function's new owner must be allowed to create in its schema, at that moment only.
    op.execute("GRANT USAGE, CREATE ON SCHEMA public TO mcp_rag_reader")
    _give_to_reader(
        "lexical_leg(sparsevec, integer[], bigint[], text, timestamptz, timestamptz, integer)", "passage"
    )
    _give_to_reader("tenant_ids()", "tenant")
    op.execute("REVOKE CREATE ON SCHEMA public FROM mcp_rag_reader")


def downgrade() -> None:
    op.execute("DROP FUNCTION lexical_leg, tenant_ids")
    for table in reversed(
        (
            "tenant",
            "conversation",
            "message",
            "passage",
            "embedding_model",
            "embedding",
            "term_statistic",
            "tombstone",
        )
    ):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION current_tenant")
    op.execute("REVOKE SELECT ON alembic_version FROM mcp_rag_app")
    op.execute("REVOKE USAGE ON SCHEMA public FROM mcp_rag_reader")
