"""What an answer has taken so far: time by stage, tokens, and what had to be done otherwise."""

import time
from dataclasses import dataclass, field

from mcp_rag.models import Account
from mcp_rag.ports import Answerer


@dataclass
class Ledger:
    begun: float = field(default_factory=time.monotonic)
    stages: dict[str, int] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    notices: list[str] = field(default_factory=list)
    lasting: bool = True
    """The same question would get the same answer again."""
    _since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def milliseconds(self) -> dict[str, int]:
        return self.stages | {"total": round(self.seconds * 1000)}

    def lap(self, stage: str) -> None:
        """What has passed since the last lap was this stage."""
        now = time.monotonic()
        self.stages[stage] = self.stages.get(stage, 0) + round((now - self._since) * 1000)
        self._since = now

    def account(self, writer: Answerer) -> Account:
        return Account(
            provider=writer.name,
            model=writer.model,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            milliseconds=self.milliseconds,
            notice=" ".join(self.notices) or None,
        )
