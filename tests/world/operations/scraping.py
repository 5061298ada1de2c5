"""A real Prometheus that scrapes what a test runs, and the answers that it gives."""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service import wait_until
from tests.world.operations.component import Component
from tests.world.operations.prometheus import Sample, samples

SCRAPE_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """One scrape: several of one address with other labels stand for replicas that agree."""

    address: str
    labels: Mapping[str, str]


class Prometheus(Component):
    """Prometheus over jobs by name, its time unscaled. It looks at its targets for the first time after 5 s."""

    def __init__(self, jobs: Mapping[str, Sequence[Target]], rules: Mapping[str, Any] | None = None) -> None:
        directory = Path(tempfile.mkdtemp(prefix="prometheus-"))
        rule_file = directory / "rules.json"
        rule_file.write_text(json.dumps(rules or {"groups": []}))
        config = directory / "prometheus.json"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": f"{int(SCRAPE_SECONDS * 1000)}ms", "evaluation_interval": "500ms"},
                    "rule_files": [str(rule_file)],
                    "scrape_configs": [
                        {
                            "job_name": job,
                            "static_configs": [
                                {"targets": [target.address], "labels": dict(target.labels)} for target in targets
                            ],
                        }
                        for job, targets in jobs.items()
                    ],
                }
            )
        )
        super().__init__(
            directory, ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}"]
        )

    def ask(self, expression: str) -> list[Sample]:
        """What an expression says now."""
        answer = self.client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{answer}: {expression}"
        return samples(answer["data"])

    def known(self, expression: str) -> list[Sample]:
        """The series of an answer that have a number."""
        return [sample for sample in self.ask(expression) if not math.isnan(sample.value)]


def unanswered(prometheus: Prometheus, expressions: Mapping[str, str], *, seconds: float = 15) -> list[str]:
    """The names of the expressions that never gave a series with a number. Each may take until its own time to."""
    waiting = dict(expressions)

    def none_waits() -> bool:
        for name in [name for name, expression in waiting.items() if prometheus.known(expression)]:
            del waiting[name]
        return not waiting

    try:
        wait_until(none_waits, "every expression to have a series", seconds=seconds)
    except AssertionError:
        return sorted(waiting)
    return []
