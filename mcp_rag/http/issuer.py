"""An identity provider's keys: found by its metadata, kept for a while, asked for again when one lacks."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from pydantic import BaseModel, ValidationError

from mcp_rag.errors import IssuerUnavailable
from mcp_rag.log import logger

log = logger()

FRESH = 300.0
"""Seconds after which keys are asked for again: so long is a key good that the provider has withdrawn."""
USABLE = 3600.0
"""Seconds after which keys are not used any more, where the provider cannot be asked."""
PAUSE = 10.0
"""Seconds between two questions to the provider, whatever tokens come."""
TIMEOUT = httpx2.Timeout(5, connect=3)
LONGEST = 10.0
"""Seconds for all of what is asked together."""
# What can verify and not sign. A secret among public keys must not turn them into secrets.
KEY_TYPES = ("RSA", "EC", "OKP")


class _Metadata(BaseModel):
    issuer: str
    jwks_uri: str


class _KeyDocument(BaseModel):
    keys: list[dict[str, Any]]


Document = TypeVar("Document", bound=BaseModel)


class Issuer:
    """Asks nothing before the first token comes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys = KeySet([])
        self._fetched = self._tried = float("-inf")
        self._failure: IssuerUnavailable | None = None
        self._fetching = asyncio.Lock()

    async def keys(self, kid: str | None) -> KeySet:
        """Its keys, the one of this name among them if there is one.

        Raises:
            IssuerUnavailable: it cannot be asked, and what is known already does not answer.
        """
        if not self._should_ask(kid) or (self._fetching.locked() and self._can_do_without(kid)):
            return self._keys
        # One asks for all that wait.
        async with self._fetching:
            if self._should_ask(kid) and time.monotonic() - self._tried >= PAUSE:
                await self._ask()
            if self._failure is not None and not self._can_do_without(kid):
                raise self._failure
            return self._keys

    def _should_ask(self, kid: str | None) -> bool:
        return time.monotonic() - self._fetched >= FRESH or not self._knows(kid)

    def _can_do_without(self, kid: str | None) -> bool:
        return time.monotonic() - self._fetched < USABLE and self._knows(kid)

    def _knows(self, kid: str | None) -> bool:
        return any(kid is None or key.kid == kid for key in self._keys)

    async def _ask(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched, self._failure = time.monotonic(), None
        except IssuerUnavailable as error:
            log.warning("identity provider unavailable", cause=error.cause)
            self._failure = error
        self._tried = time.monotonic()

    async def _fetch(self) -> KeySet:
        try:
            async with asyncio.timeout(LONGEST):
                return await self._found()
        except TimeoutError as error:
            raise IssuerUnavailable(f"{self.url} does not answer in time.") from error

    async def _found(self) -> KeySet:
        async with httpx2.AsyncClient(timeout=TIMEOUT) as client:
            metadata = await self._metadata(client)
            if metadata.issuer != self.url:
                raise IssuerUnavailable(f"{self.url} calls itself {metadata.issuer}, which must be the same.")
            if urlsplit(metadata.jwks_uri).scheme not in ("https", urlsplit(self.url).scheme):
                raise IssuerUnavailable(
                    f"{self.url} has its keys at {metadata.jwks_uri}, which is not secure."
                )
            found = await self._get(client, metadata.jwks_uri, _KeyDocument)
        if found is None or not (keys := list(_usable(found.keys))):
            raise IssuerUnavailable(f"{metadata.jwks_uri} has no keys that can be used.")
        return KeySet(keys)

    async def _metadata(self, client: httpx2.AsyncClient) -> _Metadata:
        for url in _places(self.url):
            if (found := await self._get(client, url, _Metadata)) is not None:
                return found
        raise IssuerUnavailable(f"{self.url} has no metadata of OpenID Connect or OAuth.")

    async def _get(self, client: httpx2.AsyncClient, url: str, kind: type[Document]) -> Document | None:
        """None where there is nothing."""
        try:
            response = await client.get(url, headers={"Accept": "application/json"})
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise IssuerUnavailable(f"{url} cannot be reached: {type(error).__name__}.") from error
        if response.status_code >= 500:
            raise IssuerUnavailable(f"{url} answered {response.status_code}.")
        if response.status_code != 200:
            return None
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise IssuerUnavailable(f"{url} answered something else than {kind.__name__}.") from error


def _places(issuer: str) -> Iterator[str]:
    """OpenID Connect puts its metadata behind the issuer's path, RFC 8414 before it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    for place in (
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/oauth-authorization-server{path}",
        f"/.well-known/openid-configuration{path}",
    ):
        yield urlunsplit((parts.scheme, parts.netloc, place, "", ""))


def _usable(keys: list[dict[str, Any]]) -> Iterator[Key]:
    """Providers also publish keys for other ends, and of kinds that are not known here."""
    for key in keys:
        if key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig":
            try:
                yield JWKRegistry.import_key(key)
            except (JoseError, ValueError):
                continue
