"""A service with a model: how it is reached, and what its failures are called."""

import math
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2

from mcp_rag.errors import AnsweringFailed, Declined
from mcp_rag.models import Spent

RETRIES = 2
"""How often a busy or failing service is asked again, with growing pauses."""
LONGEST_PAUSE = 10.0
"""Seconds. A service that asks to be left alone for longer is taken to be down."""
THOUGHTS = 4096
"""Tokens that a model may think, besides those that it may write, where it cannot be kept from thinking."""
_CONNECT = 5.0


@dataclass(frozen=True)
class Service:
    """Where it is, and its failures, in words that never hold the key."""

    settings: str
    """What the names of its settings begin with."""
    url: str
    model: str
    key: str | None = field(repr=False)
    timeout: float
    """Seconds of silence after which it is given up."""

    def lost(self, error: BaseException, *, begun: bool) -> AnsweringFailed:
        """The connection failed, before the answer or once it had begun."""
        waited = isinstance(error, TimeoutError | httpx2.TimeoutException)
        if waited and not isinstance(error, httpx2.ConnectTimeout):
            return self.silent()
        return self.unfinished(begun=True) if begun else self.unreachable(error)

    def unreachable(self, error: BaseException) -> AnsweringFailed:
        return AnsweringFailed(
            f"The answering service at {self.place} cannot be reached: {self._reason(error)}.",
            remedy=f"Check {self.settings}_URL and that the service runs.",
        )

    def silent(self) -> AnsweringFailed:
        return AnsweringFailed(
            f"The answering service at {self.place} said nothing for {self.timeout:g} seconds.",
            remedy=f"Check that it runs, or set {self.settings}_MODEL to a faster model.",
        )

    def refusal(self, status: int, words: str) -> AnsweringFailed:
        """What an answer with an HTTP status other than 200 means; `words` are the service's own."""
        if status in (401, 403):
            # Such an answer may repeat the key, whole or in part, and so is not shown.
            return AnsweringFailed(
                f"The answering service at {self.place} refused the key ({_named(status)}).",
                remedy=f"Set {self.settings}_API_KEY to a key for the service at {self.settings}_URL.",
            )
        answer = f"The answering service at {self.place} answered {_named(status)}: {self._shown(words)}."
        if status == 404:
            return AnsweringFailed(
                answer,
                remedy=f"Set {self.settings}_MODEL to a model that it has, and check {self.settings}_URL.",
            )
        if 300 <= status < 400:
            return AnsweringFailed(answer, remedy=f"Set {self.settings}_URL to the address it has now.")
        if 400 <= status < 500 and status not in (402, 408, 409, 429):
            return Declined(
                answer, remedy=f"Ask for less at a time, or set {self.settings}_MODEL to another model."
            )
        return AnsweringFailed(answer)

    def broken_off(self, words: str = "") -> AnsweringFailed:
        said = f": {self._shown(words)}" if words else ""
        return AnsweringFailed(f"The answering service at {self.place} broke off in its answer{said}.")

    def unfinished(self, *, begun: bool) -> AnsweringFailed:
        """The stream is at its end, and the answer is not."""
        return self.broken_off() if begun else self.unreadable("nothing that is an answer")

    def unreadable(self, what: str) -> AnsweringFailed:
        return AnsweringFailed(
            f"The answering service at {self.place} answered with {what}.",
            remedy=f"Check {self.settings}_URL.",
        )

    def declined(self, words: str = "") -> Declined:
        said = f": {self._shown(words)}" if words else ""
        return Declined(
            f"The model {self.model} declined to answer{said}.",
            remedy=f"Ask in other words, or set {self.settings}_MODEL to another model.",
        )

    def wordy(self) -> Declined:
        return Declined(
            f"The model {self.model} used up its tokens before it had written a sentence.",
            remedy=f"Ask for less at a time, or set {self.settings}_MODEL to another model.",
        )

    @property
    def patience(self) -> httpx2.Timeout:
        """How long an SDK waits for each byte, and for a connection."""
        return httpx2.Timeout(self.timeout, connect=min(self.timeout, _CONNECT))

    def closed(self) -> AnsweringFailed:
        return AnsweringFailed("The answering service was closed.", remedy="Start the server again.")

    @property
    def place(self) -> str:
        """The URL without what may be secret: a name and password, or a query."""
        scheme, separator, rest = self.url.partition("?")[0].rpartition("://")
        return scheme + separator + rest.rpartition("@")[2]

    def _reason(self, error: BaseException) -> str:
        # The HTTP client quotes a header that it cannot send, in its own spelling.
        if isinstance(error, httpx2.LocalProtocolError):
            return "the key has a character that cannot be sent"
        return self._shown(str(error)) or type(error).__name__

    def _shown(self, words: str) -> str:
        words = " ".join(words.split())
        return (words.replace(self.key, "***") if self.key else words)[:200].rstrip(".")


class Meter:
    """Tells what was spent since it was last told, from totals as a service says them."""

    def __init__(self) -> None:
        self._said = Spent()

    def read(self, tokens_in: object, tokens_out: object) -> list[Spent]:
        """Nothing, if nothing was spent. What is no number is not a total."""
        said = Spent(
            tokens_in=_total(tokens_in, self._said.tokens_in),
            tokens_out=_total(tokens_out, self._said.tokens_out),
        )
        spent = Spent(
            tokens_in=said.tokens_in - self._said.tokens_in,
            tokens_out=said.tokens_out - self._said.tokens_out,
        )
        self._said = said
        return [spent] if spent != Spent() else []


def http_client(kind: type[httpx2.AsyncClient]) -> httpx2.AsyncClient:
    """An SDK's own kind of HTTP client, which goes to no other address than the one that was set."""
    return kind(follow_redirects=False, event_hooks={"response": [_hasten]})


async def _hasten(response: httpx2.Response) -> None:
    """Keep an SDK from waiting as long as a service likes."""
    if not _pause(response.headers) <= LONGEST_PAUSE:
        response.headers["x-should-retry"] = "false"


def _pause(headers: httpx2.Headers) -> float:
    """The seconds for which a service asks to be left alone. A date is not read, and is too long."""
    milliseconds = headers.get("retry-after-ms")
    try:
        return float(milliseconds) / 1000 if milliseconds else float(headers.get("retry-after", "0"))
    except ValueError:
        return math.inf


def _total(said: object, before: int) -> int:
    return max(said, before) if isinstance(said, int) else before


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
