"""The rules of `deploy/prometheus` as one object for the Prometheus operator."""

from pathlib import Path
from typing import Final

_DEPLOY: Final = Path(__file__).parent.parent
SOURCES: Final = _DEPLOY / "prometheus" / "rules"
DESTINATION: Final = Path(__file__).parent / "monitoring" / "prometheusrule.yaml"
_HEAD: Final = """\
# Made from deploy/prometheus/rules by: python -m deploy.kubernetes
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: taiko-fee-oracle
  labels:
    app.kubernetes.io/name: taiko-fee-oracle
    app.kubernetes.io/part-of: taiko-fee-oracle
spec:
  groups:
"""


def rendered(sources: Path = SOURCES) -> str:
    """The object's text: the groups of every file of rules, with their comments, in the order of the files' names.

    Raises `ValueError` for a file whose groups do not begin in a line of their own.
    """
    return _HEAD + "".join(_groups(path) for path in sorted(sources.glob("*.yml")))


def _groups(path: Path) -> str:
    _, begin, groups = f"\n{path.read_text(encoding='utf-8')}".partition("\ngroups:\n")
    if not begin:
        message = f"{path}: expected a line `groups:`"
        raise ValueError(message)
    return "".join(f"  {line}" if line.strip() else line for line in groups.splitlines(keepends=True))
