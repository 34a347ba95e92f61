"""The verbs of who may call, and who did: token, audit."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from mcp_rag import compose
from mcp_rag.cli import output
from mcp_rag.cli.options import AsJson
from mcp_rag.cli.output import Rows, block
from mcp_rag.cli.running import read_settings, run
from mcp_rag.errors import InvalidInput
from mcp_rag.identity import SCOPES, AuditEntry, IssuedToken, Scope
from mcp_rag.models import Frozen
from mcp_rag.postgres.identities import Identities

T = TypeVar("T")

token = typer.Typer(name="token", no_args_is_help=True, help="Say who may call `mcp-rag serve`.")

Tenant = Annotated[str, typer.Option(metavar="NAME", help="Whose store it is about.")]
HELD_BY_DEFAULT: list[Scope] = ["read", "write"]


class Created(Frozen):
    token: str
    public_id: str
    tenant: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


class Tokens(Frozen):
    tokens: tuple[IssuedToken, ...]


class Revoked(Frozen):
    public_ids: tuple[str, ...]


class Audit(Frozen):
    entries: tuple[AuditEntry, ...]


@token.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who it is for: it stands in the audit log.")],
    tenant: Tenant = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What it allows, of {', '.join(SCOPES)}; again for another. [default: read, write]"
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, metavar="DAYS", help="It expires after so many. [default: never]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token, and with its first one a tenant.

    It is shown once, and stored as a digest: keep it where secrets are kept. To replace one, make a second of
    the same name, hand it out, and revoke the first by its id.
    """
    scopes = [_scope(each) for each in scope or HELD_BY_DEFAULT]
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def created(identities: Identities) -> Created:
        made = await identities.create_token(tenant, name, scopes, expires_at)
        return Created(
            token=made.text,
            public_id=made.public_id,
            tenant=tenant,
            scopes=tuple(scopes),
            expires_at=expires_at,
        )

    done = _with_identities(created)
    if not as_json:
        output.warn(f"Tenant {tenant}, {', '.join(scopes)}. It is not shown again:")
    output.show(done, [block(done.token)], as_json=as_json)


@token.command("list")
def list_tokens(tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """See a tenant's tokens, without what lets somebody in."""
    found = Tokens(tokens=tuple(_with_identities(lambda identities: identities.tokens(tenant))))
    head = ("id", "name", "scopes", "made", "last used", "state")
    output.show(found, [Rows(head, tuple(map(_row, found.tokens)))], as_json=as_json)


@token.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, or the name of all that have it.")],
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Let nobody in with it any longer, from now on."""
    gone = Revoked(public_ids=tuple(_with_identities(lambda identities: identities.revoke(tenant, token))))
    output.show(gone, [block(f"Revoked: {', '.join(gone.public_ids)}.")], as_json=as_json)


def audit(
    tenant: Tenant = "default",
    since: Annotated[datetime | None, typer.Option(help="From then on, UTC.")] = None,
    conversation: Annotated[
        str | None, typer.Option(metavar="ID", help="Only of this one, also if it was forgotten.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """See who changed which conversation, the newest first. What was in it is not recorded.

    The id of one that was forgotten is not there any more; whoever knows it can ask for it.
    """
    start = since.replace(tzinfo=UTC) if since else None
    entries = _with_identities(
        lambda identities: identities.audit(tenant, since=start, conversation=conversation, limit=limit)
    )
    rows = tuple(
        (
            f"{each.happened_at:%Y-%m-%d %H:%M:%S}",
            output.on_one_line(each.actor),
            each.address or "",
            each.action,
            output.on_one_line(each.conversation_id or "(forgotten)"),
            str(each.messages),
        )
        for each in entries
    )
    head = ("when (UTC)", "who", "from", "what", "conversation", "messages")
    output.show(Audit(entries=tuple(entries)), [Rows(head, rows)], as_json=as_json)


def _row(found: IssuedToken) -> tuple[str, ...]:
    state = "revoked" if found.revoked_at else "live" if found.alive else "expired"
    if found.alive and found.expires_at:
        state = f"until {found.expires_at:%Y-%m-%d}"
    return (
        found.public_id,
        output.on_one_line(found.name),
        ", ".join(found.scopes),
        f"{found.created_at:%Y-%m-%d}",
        f"{found.used_at:%Y-%m-%d %H:%M}" if found.used_at else "never",
        state,
    )


def _scope(text: str) -> Scope:
    for scope in SCOPES:
        if text == scope:
            return scope
    raise InvalidInput(f"There is no scope {text!r}.", remedy=f"Use one of: {', '.join(SCOPES)}.")


def _with_identities(work: Callable[[Identities], Awaitable[T]]) -> T:
    settings = read_settings()

    async def opened() -> T:
        database = compose.create_database(settings)
        try:
            with output.waiting("Opening the store"):
                await database.open()
            return await work(Identities(database))
        finally:
            await database.close()

    return run(opened())
