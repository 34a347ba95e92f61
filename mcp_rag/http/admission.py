"""Who is let in, and what they are given: their own tenant's service."""

from collections.abc import Awaitable, Callable

from mcp_rag import tokens
from mcp_rag.errors import StoreError, Unidentified
from mcp_rag.http.oidc import IdentityProvider
from mcp_rag.identity import LOCAL, Caller, caller
from mcp_rag.postgres.identities import Identities
from mcp_rag.rag import Rag


class Admission:
    """Lets in who has a token, and, where only this machine can call and nobody has one, everybody.

    What does not wait for the database must not wait for it here either: while it cannot be asked whether
    there are tokens, who comes without one is let in, and given nothing until it was asked.
    """

    def __init__(
        self,
        rag: Callable[[], Awaitable[Rag]],
        identities: Callable[[], Awaitable[Identities]],
        *,
        is_open: Callable[[], bool],
        only_this_machine: bool,
        only_reads: bool = False,
        provider: IdentityProvider | None = None,
    ) -> None:
        """`rag` and `identities` give at once what they give where it `is_open`.

        Tokens that are not ours are the `provider`'s. Where there is one, nobody comes without a token.
        """
        self._rag, self._identities, self._is_open = rag, identities, is_open
        self._provider, self._only_reads = provider, only_reads
        self._only_this_machine = only_this_machine and provider is None

    async def identify(self, token: str | None) -> Caller | None:
        """Whose token this is, None where it is nobody's.

        Raises:
            StoreUnavailable, IssuerUnavailable: nobody can say.
            InvalidToken, UnknownTenant: it is not the provider's, or names no tenant that there is.
        """
        found = await self._known(token)
        return found.model_copy(update={"only_reads": True}) if found and self._only_reads else found

    async def _known(self, token: str | None) -> Caller | None:
        if token is not None:
            if self._provider is None or token.startswith(tokens.PREFIX):
                return await (await self._identities()).identify(token)
            return await self._provider.identify(token, self._tenant_id)
        if not self._only_this_machine or (self._is_open() and await self._tokens_exist()):
            return None
        return LOCAL

    async def rag(self) -> Rag:
        """The service of whoever calls, once for each call.

        Raises:
            Unidentified: it is not known who that is.
            TooMuch: they have made too many calls.
            StoreError: the database cannot be used.
        """
        who = caller()
        if who.id == LOCAL.id and await (await self._identities()).exist():
            raise Unidentified
        rag = (await self._rag()).of(who)
        await rag.admit()
        return rag

    async def still(self, who: Caller) -> bool:
        """Whether somebody who was let in would be again. Of a provider's callers only their token says.

        Raises:
            StoreError: the database cannot be used.
        """
        identities = await self._identities()
        if who.id == LOCAL.id:
            return not await identities.exist()
        return who.issuer is not None or await identities.alive(who)

    async def _tenant_id(self, name: str) -> int:
        return await (await self._identities()).tenant_id(name)

    async def _tokens_exist(self) -> bool:
        try:
            return await (await self._identities()).exist()
        except StoreError:
            return False
