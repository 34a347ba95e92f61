"""Tokens of an identity provider (OpenID Connect, OAuth 2.1): verified here, with its published keys."""

import warnings
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from joserfc import jwt
from joserfc.errors import (
    ClaimError,
    DecodeError,
    ExpiredTokenError,
    JoseError,
    SecurityWarning,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry, extract_compact

from mcp_rag.errors import InvalidToken, UnknownTenant
from mcp_rag.http.issuer import Issuer
from mcp_rag.http.resource import Resource
from mcp_rag.identity import SCOPES, Caller, Scope

LEEWAY = 30
"""Seconds that clocks may differ by."""
# What access tokens call themselves. Signed logouts, proofs and responses are none.
TYPES = ("", "jwt", "at+jwt", "application/at+jwt")
# What says best who it is to whoever reads the audit log.
NAMES = ("preferred_username", "client_id")
LONGEST_NAME = 100
Claims = dict[str, Any]


class IdentityProvider:
    """Says who calls, by tokens that one issuer has signed for this resource."""

    def __init__(
        self, resource: Resource, *, algorithms: Iterable[str], tenant_claim: str, scopes_claim: str
    ) -> None:
        self._issuer = Issuer(resource.issuer)
        self._scope_prefix = resource.scope_prefix
        self._tenant_claim, self._scopes_claim = tenant_claim, scopes_claim
        self._algorithms = tuple(algorithms)
        # Unknown headers are no reason to refuse, unless the token says that they are (`crit`).
        self._registry = JWSRegistry(algorithms=self._algorithms, strict_check_header=False)
        self._required = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": resource.issuer},
            aud={"essential": True, "values": list(resource.audiences)},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def identify(self, token: str, tenant_id: Callable[[str], Awaitable[int]]) -> Caller:
        """Whose token this is. `tenant_id` knows tenants by name.

        Raises:
            InvalidToken: it is none of the issuer's for this resource and this time.
            UnknownTenant: it names none that there is.
            IssuerUnavailable, StoreUnavailable: nobody can say.
        """
        claims = await self._verified(token)
        if (tenant := _text(claims.get(self._tenant_claim))) is None:
            raise UnknownTenant(
                f"The token has no claim {self._tenant_claim!r} that names a tenant.",
                remedy=f"Have {self._issuer.url} add it, or name another claim in MCP_RAG_OIDC_TENANT_CLAIM.",
            )
        return Caller(
            id=f"{self._issuer.url} {claims['sub']}",
            name=_name(claims),
            tenant_id=await tenant_id(tenant),
            scopes=self._scopes(claims),
            issuer=self._issuer.url,
        )

    def _scopes(self, claims: Claims) -> frozenset[Scope]:
        """Ours among those of the token."""
        value = claims.get(self._scopes_claim)
        held = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else ()
        return frozenset(scope for scope in SCOPES if self._scope_prefix + scope in held)

    async def _verified(self, token: str) -> Claims:
        try:
            # What can be refused at once lets nobody have the issuer asked.
            keys = await self._issuer.keys(self._key_id(token))
            claims = self._decoded(token, keys)
            self._required.validate(claims)
        except (JoseError, ValueError) as error:
            raise InvalidToken(f"The token is not valid: {_why(error)}.") from error
        if "cnf" in claims:
            raise InvalidToken("The token is not valid: it is bound to a key, and comes as if it were not.")
        return claims

    def _key_id(self, token: str) -> str | None:
        header = extract_compact(token.encode(), registry=self._registry).headers()
        if not isinstance(header, dict):
            raise DecodeError("The header is no object.")
        self._registry.check_header(header)
        if header["alg"] not in self._algorithms:
            raise UnsupportedAlgorithmError
        if str(header.get("typ", "")).lower() not in TYPES:
            raise DecodeError("It is no access token.")
        kid: str | None = header.get("kid")
        return kid

    def _decoded(self, token: str, keys: KeySet) -> Claims:
        with warnings.catch_warnings():
            # Most providers still call Ed25519 by its older name, of which the library warns.
            warnings.simplefilter("ignore", SecurityWarning)
            decoded = jwt.decode(token, keys, registry=self._registry)
        return decoded.claims


def _why(error: JoseError | ValueError) -> str:
    """In words that tell nothing of what is in it."""
    if isinstance(error, ExpiredTokenError):
        return "it has expired"
    if isinstance(error, ClaimError):
        return f"its claim {error.claim!r} is missing or not right here"
    return error.error.replace("_", " ") if isinstance(error, JoseError) else "it is not in the form of one"


def _name(claims: Claims) -> str:
    """Readable, and nobody else's: people may choose what they are called, subjects they may not."""
    subject = str(claims["sub"])
    found = next((name for key in NAMES if (name := _text(claims.get(key))) is not None), subject)
    return subject if found == subject else f"{found[:LONGEST_NAME]} ({subject})"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and value.isprintable() else None
