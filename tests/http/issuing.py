"""An identity provider on this machine, as far as it is asked by who verifies its tokens."""

import base64
import functools
import hmac
import json
import time
import warnings
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

AUDIENCE = "https://memory.example.com/mcp"
ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


class Issuing:
    """Signs what it is told to, and publishes its keys. `url` is where it was put."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[Key] = [_first()]
        self.metadata_at = OPENID
        self.calls_itself: str | None = None
        self.is_down = False
        self.asked_for_keys = 0
        self.app = Starlette(
            routes=[Route("/keys", self._keys), Route("/{path:path}", self._metadata)],
        )

    def token(self, key: Key | None = None, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good one of somebody of `acme` who may do all, but for what is said; None leaves out."""
        key = key or self.keys[0]
        algorithm = ALGORITHMS[key.key_type]
        head = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"} | (header or {})
        registry = JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        with warnings.catch_warnings():
            # EdDSA is the older name of Ed25519.
            warnings.simplefilter("ignore", SecurityWarning)
            return jwt.encode(head, self.claims(**claims), key, registry=registry)

    def claims(self, **claims: Any) -> dict[str, Any]:
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "248289761001",
            "iat": now,
            "exp": now + 600,
            "tenant": "acme",
            "scope": "openid rag:read rag:write rag:erase",
        }
        return {name: value for name, value in (good | claims).items() if value is not None}

    def forged(self, **claims: Any) -> str:
        """Signed with a secret that is the first public key."""
        head = {"alg": "HS256", "kid": self.keys[0].kid, "typ": "at+jwt"}
        text = f"{_encoded(head)}.{_encoded(self.claims(**claims))}"
        signature = hmac.digest(self.keys[0].as_pem(private=False), text.encode(), "sha256")
        return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def unsigned(self, **claims: Any) -> str:
        """`none` for a signature."""
        parts = [{"alg": "none", "typ": "at+jwt"}, self.claims(**claims)]
        return ".".join([*(_encoded(part) for part in parts), ""])

    async def _metadata(self, request: Request) -> JSONResponse:
        if self.is_down:
            return JSONResponse({}, 503)
        if request.url.path != self.metadata_at:
            return JSONResponse({}, 404)
        return JSONResponse({"issuer": self.calls_itself or self.url, "jwks_uri": f"{self.url}/keys"})

    async def _keys(self, _: Request) -> JSONResponse:
        self.asked_for_keys += 1
        if self.is_down:
            return JSONResponse({}, 503)
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})


def rsa(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@functools.cache
def _first() -> RSAKey:
    """The key that every provider begins with: to make one takes longer than most tests do."""
    return rsa("first")


def ec(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid})


def ed25519(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid})


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
