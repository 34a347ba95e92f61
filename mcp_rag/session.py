"""What the pipe remembers of a client, so that the loss of a resident loses nothing. Pure.

Standard library only: the pipe imports this.
"""

from typing import NamedTuple

from mcp_rag.lines import envelope, notice, request_id

LEVEL, SUBSCRIBE, UNSUBSCRIBE = "logging/setLevel", "resources/subscribe", "resources/unsubscribe"


class Request(NamedTuple):
    method: str
    line: bytes


class Session:
    """What was said, as far as another resident must know it to take over in mid-sentence."""

    def __init__(self) -> None:
        self.unanswered: dict[str | int, Request] = {}
        self.losses = 0
        """How many residents were lost over unanswered requests since the last answer."""
        self._initialize: tuple[str | int, Request] | None = None
        self._initialized: bytes | None = None
        self._repeated: set[str | int] = set()
        self._standing: dict[str, tuple[str | int, Request]] = {}
        """What holds for the whole session: what it subscribes to, by address, and the level of its log."""
        self._asked: set[str | int] = set()

    def say(self, line: bytes) -> bool:
        """Note a line of the client. False when no resident that lives could make sense of it."""
        message = envelope(line)
        name, method = request_id(message), message.get("method")
        if isinstance(method, str):
            self._note(name, Request(method, line), message.get("params"))
        elif name is not None and message.keys() & {"result", "error"}:
            answers = name in self._asked
            self._asked.discard(name)
            return answers
        return True

    def _note(self, name: str | int | None, request: Request, params: object) -> None:
        if name is not None:
            self.unanswered[name] = request
            if request.method == "initialize":
                self._initialize = name, request
        elif request.method == "notifications/initialized":
            self._initialized = request.line
        elif request.method == "notifications/cancelled" and isinstance(params, dict):
            # Whoever cancels is owed no answer.
            cancelled = params.get("requestId")
            if isinstance(cancelled, str | int):
                self.unanswered.pop(cancelled, None)

    def hear(self, line: bytes) -> bool:
        """Note a line of the resident. False when the client has heard it before."""
        message = envelope(line)
        name = request_id(message)
        if name is None:
            return True
        if "method" in message:
            self._asked.add(name)
        elif name in self._repeated:
            self._repeated.discard(name)
            return False
        elif (answered := self.unanswered.pop(name, None)) is not None:
            self.losses = 0
            if "error" not in message:
                self._hold(name, answered)
            elif answered.method == "initialize":
                self._initialize = None
        return True

    def _hold(self, name: str | int, request: Request) -> None:
        if request.method == LEVEL:
            self._standing[LEVEL] = name, request
        elif request.method == SUBSCRIBE:
            self._standing[_uri(request)] = name, request
        elif request.method == UNSUBSCRIBE:
            self._standing.pop(_uri(request), None)

    def lose(self) -> list[bytes]:
        """The resident is lost. What the client must hear: that nobody waits for its answers any more."""
        self.losses += bool(self.unanswered)
        asked, self._asked, self._repeated = self._asked, set(), set()
        return [
            notice({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": name}})
            for name in asked
        ]

    def again(self) -> list[bytes]:
        """What a new resident must hear before anything new.

        The handshake, what holds for the whole session, and what is unanswered.
        """
        lines = []
        if self._initialize is not None:
            name, request = self._initialize
            lines.append(request.line)
            if name not in self.unanswered:
                self._repeated.add(name)
            if self._initialized is not None:
                lines.append(self._initialized)
        for name, request in self._standing.values():
            self._repeated.add(name)
            lines.append(request.line)
        return lines + [each.line for each in self.unanswered.values() if each.method != "initialize"]


def _uri(request: Request) -> str:
    """Of a subscription that was granted, so there is one."""
    params = envelope(request.line).get("params")
    return str(params.get("uri")) if isinstance(params, dict) else ""
