"""Writes the rules of Prometheus once more, for its operator: `python -m deploy.alerts`."""

from pathlib import Path

DEPLOY = Path(__file__).parent
RULES = DEPLOY / "monitoring" / "rules.yml"
WRITTEN = DEPLOY / "kubernetes" / "components" / "monitoring" / "rules.yaml"
HEAD = """# Made of deploy/monitoring/rules.yml by `make rules`: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mcp-rag
spec:
"""


def prometheus_rule() -> str:
    _, found, groups = RULES.read_text("utf-8").partition("\ngroups:\n")
    lines = f"{found.lstrip()}{groups}".splitlines(keepends=True)
    return HEAD + "".join(f"  {line}" if line.strip() else line for line in lines)


if __name__ == "__main__":
    WRITTEN.write_text(prometheus_rule(), encoding="utf-8")
