"""Who keeps for Prometheus what scripts tell: takes it, and shows it to a test."""

from tests.kubernetes.standing_in import StandIn


class Pushgateway(StandIn):
    def __init__(self) -> None:
        self.pushed: dict[str, float] = {}
        """Values by metric and environment, with a slash between."""
        self.away = False
        super().__init__()

    def answer(self, path: str, body: str) -> tuple[int, str]:
        return (503 if self.away else self._take(path, body)), ""

    def _take(self, path: str, text: str) -> int:
        """As the real one: a group's labels are in the path, a type is said before a value."""
        prefix, _, environment = path.rpartition("/environment/")
        if prefix != "/metrics/job/mcp-rag-backups" or not text.endswith("\n"):
            return 400
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.split(" ")
                self.pushed[f"{name}/{environment}"] = float(value)
        return 200
