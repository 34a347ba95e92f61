"""The doctor's look at who says who calls."""

from mcp_rag.cli.checks import Check, failed, fine, skipped
from mcp_rag.errors import IssuerUnavailable
from mcp_rag.http.issuer import Issuer
from mcp_rag.settings import Settings


async def provider_check(settings: Settings) -> Check:
    name = "Identity provider"
    if settings.oidc_issuer is None:
        return skipped(name, "none: `serve` knows only tokens of its own")
    try:
        keys = await Issuer(settings.oidc_issuer).keys(None)
    except IssuerUnavailable as error:
        return failed(name, error)
    return fine(name, f"{settings.oidc_issuer}, keys: {len(keys.keys)}")
