"""Who may call, as the database knows it: tenants and their tokens, and what callers have changed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from mcp_rag import tokens
from mcp_rag.errors import InvalidInput, NotFound, UnknownTenant
from mcp_rag.identity import AuditEntry, Caller, IssuedToken, Scope
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.queries import sql
from mcp_rag.reconciliation import tombstone
from mcp_rag.tokens import Token

USED_EVERY = timedelta(minutes=1)
"""How exactly the last use of a token is recorded."""


class Identities:
    """Tokens are known here by digest only; whoever reads this database learns none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._exist = False

    async def exist(self) -> bool:
        """Whether there is a token that was not revoked; if there ever was, it stays true in this process."""
        if not self._exist:
            async with self._database.connection() as connection:
                self._exist = bool(await connection.fetchval(sql("tokens_exist")))
        return self._exist

    async def identify(self, text: str) -> Caller | None:
        """Whose token this is; None where it is nobody's, expired or revoked.

        Raises:
            StoreUnavailable: nobody can say.
        """
        token = tokens.parse(text)
        if token is None:
            return None
        async with self._database.connection() as connection:
            row = await connection.fetchrow(sql("find_token"), token.public_id)
        if row is None or not token.is_of(row["digest"]):
            return None
        if row["used_at"] is None or datetime.now(UTC) - row["used_at"] > USED_EVERY:
            async with self._database.transaction(row["tenant_id"]) as connection:
                await connection.execute(sql("use_token"), row["tenant_id"], row["token_key"])
        return Caller(
            id=token.public_id, name=row["name"], tenant_id=row["tenant_id"], scopes=frozenset(row["scopes"])
        )

    async def alive(self, caller: Caller) -> bool:
        """Whether the token that somebody came with would let them in again."""
        async with self._database.connection() as connection:
            return await connection.fetchrow(sql("find_token"), caller.id) is not None

    async def create_token(
        self, tenant: str, name: str, scopes: Sequence[Scope], expires_at: datetime | None
    ) -> Token:
        """A new token of a tenant, which is made with its first one.

        Raises:
            InvalidInput: there is no such tenant, and none can have that name.
        """
        tenant_id = await self._tenant(tenant) or await self._create_tenant(tenant)
        token = tokens.mint()
        async with self._database.transaction(tenant_id) as connection:
            await connection.execute(
                sql("insert_token"), tenant_id, token.public_id, token.digest, name, list(scopes), expires_at
            )
        return token

    async def tokens(self, tenant: str) -> list[IssuedToken]:
        """All of a tenant's, the dead ones too.

        Raises:
            UnknownTenant: there is none of that name.
        """
        tenant_id = await self.tenant_id(tenant)
        async with self._database.transaction(tenant_id, readonly=True) as connection:
            return [IssuedToken(**row) for row in await connection.fetch(sql("list_tokens"), tenant_id)]

    async def revoke(self, tenant: str, token: str) -> list[str]:
        """No longer accept the tokens of this name, or the one with this public id; gives their public ids.

        Raises:
            NotFound: the tenant has no such token that is alive.
            UnknownTenant: there is none of that name.
        """
        tenant_id = await self.tenant_id(tenant)
        async with self._database.transaction(tenant_id) as connection:
            revoked = await connection.fetch(sql("revoke_tokens"), tenant_id, token)
        if not revoked:
            raise NotFound(
                f"Tenant {tenant!r} has no live token {token!r}.", remedy="`mcp-rag token list` shows them."
            )
        return [row["public_id"] for row in revoked]

    async def audit(
        self, tenant: str, *, since: datetime | None = None, conversation: str | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """What callers have changed, the newest first; of the conversation with this id, forgotten or not.

        Raises:
            UnknownTenant: there is none of that name.
        """
        tenant_id = await self.tenant_id(tenant)
        async with self._database.transaction(tenant_id, readonly=True) as connection:
            key = await connection.fetchval(sql("tombstone_key"), tenant_id)
            digest = None if conversation is None else tombstone(key, conversation)[0]
            rows = await connection.fetch(sql("read_audit"), tenant_id, since, digest, limit)
        return [AuditEntry(**row) for row in rows]

    async def tenant_id(self, name: str) -> int:
        """Raises:
        UnknownTenant: there is none of that name.
        """
        if (found := await self._tenant(name)) is None:
            raise UnknownTenant(f"There is no tenant {name!r}.")
        return found

    async def _tenant(self, name: str) -> int | None:
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval(sql("find_tenant"), name)
            return found

    async def _create_tenant(self, name: str) -> int:
        """By the owner of the schema: the application makes no tenants."""
        if not name.strip():
            # What is told of several tenants together is told of "".
            raise InvalidInput("A tenant must have a name.")
        with translated():
            owner = await asyncpg.connect(self._database.owner_url)
            try:
                async with owner.transaction():
                    tenant_id: int = await owner.fetchval(sql("next_tenant"))
                    await owner.execute(sql("set_tenant"), tenant_id)
                    await owner.execute(sql("create_tenant"), tenant_id, name)
            finally:
                await owner.close()
        return tenant_id
