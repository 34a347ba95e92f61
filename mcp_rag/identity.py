"""Who calls: their name, their tenant, and what they may do. Pure."""

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, get_args

from mcp_rag.errors import NotAllowed, ReadOnly, Unidentified
from mcp_rag.models import Frozen

Scope = Literal["read", "write", "erase", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_TENANT = 1
"""Of a store that only one person or program uses."""


class Caller(Frozen):
    """Somebody who was identified, and from where."""

    id: str
    """Nobody else's: a token's public id, or an identity provider with what it calls a subject."""
    name: str
    tenant_id: int
    scopes: frozenset[Scope]
    address: str | None = None
    issuer: str | None = None
    """The identity provider that says so; None where the token is one of ours."""
    only_reads: bool = False
    """Whatever the scopes are: so at a server that only reads."""

    def may(self, scope: Scope) -> bool:
        """`admin` may do everything."""
        if self.only_reads and scope != "read":
            return False
        return scope in self.scopes or "admin" in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises:
        ReadOnly: nobody may, here.
        NotAllowed: the caller may not.
        """
        if self.only_reads and scope != "read":
            raise ReadOnly
        if not self.may(scope):
            held = ", ".join(sorted(self.scopes)) or "none"
            raise NotAllowed(
                f"This needs the scope {scope!r}, and {self.name} has {held}.",
                remedy=self.issuer and f"Ask {self.issuer} for a token that has this scope.",
                scope=scope,
            )


class IssuedToken(Frozen):
    """A token as its tenant may see it: what lets somebody in is not stored."""

    public_id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    @property
    def alive(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > datetime.now(UTC))


class AuditEntry(Frozen):
    """That somebody changed something; never what was in it."""

    happened_at: datetime
    actor: str
    address: str | None
    action: str
    conversation_id: str | None
    """None where it was forgotten since."""
    messages: int


LOCAL = Caller(id="local", name="local", tenant_id=DEFAULT_TENANT, scopes=frozenset(SCOPES))
"""Whoever reaches a process that only this machine's user can reach."""

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def enter(caller: Caller) -> None:
    """From here on, in this task and what it starts, it is this caller who calls."""
    _caller.set(caller)


def require(scope: Scope) -> None:
    """Refuse what this caller may not do. Where nobody was identified, nobody else can call.

    Raises:
        NotAllowed: the caller has not the scope.
    """
    if (found := _caller.get()) is not None:
        found.require(scope)


def may(scope: Scope) -> bool:
    """Whether `require` would let it pass."""
    found = _caller.get()
    return found is None or found.may(scope)


def whoever() -> Caller:
    """Whose call this is. Where nobody was identified, nobody else can call."""
    return _caller.get() or LOCAL


def caller() -> Caller:
    """Whose call this is.

    Raises:
        Unidentified: nobody has said so.
    """
    if (found := _caller.get()) is None:
        raise Unidentified
    return found
