"""Who may call: API tokens; and what they changed: the audit log.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

API_TOKEN = """
    CREATE TABLE api_token (
        tenant_id bigint NOT NULL REFERENCES tenant,
        token_key bigint GENERATED ALWAYS AS IDENTITY,
        -- The part of the token that may be shown. The rest is nowhere: what is compared is a digest.
        public_id text NOT NULL,
        digest bytea NOT NULL,
        name text NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz,
        used_at timestamptz,
        PRIMARY KEY (tenant_id, token_key)
    )
"""
AUDIT = """
    CREATE TABLE audit (
        tenant_id bigint NOT NULL REFERENCES tenant,
        audit_key bigint GENERATED ALWAYS AS IDENTITY,
        happened_at timestamptz NOT NULL DEFAULT now(),
        actor text NOT NULL,
        address text,
        action text NOT NULL,
        -- Which conversation, as long as it is there; and the hash of its id that a tombstone has, for who
        -- knows the id and asks. The id of what was forgotten stands nowhere.
        conversation_key bigint,
        digest bytea NOT NULL,
        messages integer NOT NULL,
        PRIMARY KEY (tenant_id, audit_key),
        FOREIGN KEY (tenant_id, conversation_key) REFERENCES conversation
            ON DELETE SET NULL (conversation_key)
    )
"""
TABLES = ("api_token", "audit")
# Before it is known whose a token is there is no tenant to set. Nobody learns a digest that has no token.
FIND_TOKEN = """
    CREATE FUNCTION find_token(wanted text)
    RETURNS TABLE (
        tenant_id bigint, token_key bigint, name text, scopes text[], digest bytea, used_at timestamptz
    )
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT t.tenant_id, t.token_key, t.name, t.scopes, t.digest, t.used_at
        FROM api_token t
        WHERE t.public_id = wanted AND t.revoked_at IS NULL
            AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp());
    END
"""
TOKENS_EXIST = """
    CREATE FUNCTION tokens_exist() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT EXISTS (SELECT FROM api_token t WHERE t.revoked_at IS NULL);
    END
"""
FIND_TENANT = """
    CREATE FUNCTION find_tenant(wanted text) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT t.tenant_id FROM tenant t WHERE t.name = wanted;
    END
"""
FUNCTIONS = ("find_token(text)", "tokens_exist()", "find_tenant(text)")


def upgrade() -> None:
    op.execute(API_TOKEN)
    op.execute(AUDIT)
    # Not unique, for unique keys begin with the tenant: chance sees to it.
    op.execute("CREATE INDEX api_token_public_id ON api_token (public_id)")
    op.execute("CREATE INDEX audit_happened_at ON audit (tenant_id, happened_at)")
    op.execute(
        "CREATE INDEX audit_conversation ON audit (tenant_id, conversation_key) "
        "WHERE conversation_key IS NOT NULL"
    )
    op.execute("CREATE SEQUENCE tenant_number")
    op.execute("SELECT setval('tenant_number', max(tenant_id)) FROM tenant_ids() AS known (tenant_id)")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_tenant ON {table} USING (tenant_id = (SELECT current_tenant())) "
            "WITH CHECK (tenant_id = (SELECT current_tenant()))"
        )
    op.execute("GRANT SELECT, INSERT, UPDATE ON api_token TO mcp_rag_app")
    # What happened is added to and read, and never changed.
    op.execute("GRANT SELECT, INSERT ON audit TO mcp_rag_app")
    op.execute("CREATE POLICY api_token_reader ON api_token FOR SELECT TO mcp_rag_reader USING (true)")
    op.execute("GRANT SELECT ON api_token TO mcp_rag_reader")
    op.execute("GRANT CREATE ON SCHEMA public TO mcp_rag_reader")
    for statement, function in zip((FIND_TOKEN, TOKENS_EXIST, FIND_TENANT), FUNCTIONS, strict=True):
        op.execute(statement)
        op.execute(f"ALTER FUNCTION {function} OWNER TO mcp_rag_reader")
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO mcp_rag_app")
    op.execute("REVOKE CREATE ON SCHEMA public FROM mcp_rag_reader")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP SEQUENCE tenant_number")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
