"""What a client carries from one half of a call to the other, sealed: any process may go on with it."""

from collections.abc import Callable
from functools import cached_property

from mcp.server.request_state import AESGCMRequestStateCodec


class Sealing:
    """The SDK's codec, under a key that is known once there is a database."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def seal(self, payload: bytes) -> str:
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        """Raises:
        InvalidRequestState: nobody with this secret has sealed it so.
        StoreUnavailable: the secret is not known yet.
        """
        return self._codec.unseal(token)

    @cached_property
    def _codec(self) -> AESGCMRequestStateCodec:
        return AESGCMRequestStateCodec([self._secret()])
