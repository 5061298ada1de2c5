"""A real Prometheus that scrapes what a test runs, and the answers that it gives."""

import json
import math
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.service import wait_until

SCRAPE_SECONDS = 0.5


def free_port() -> int:
    """A port of loopback that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Target:
    """One scrape: several of one address with other labels stand for replicas that agree."""

    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One series of an answer, and its value now."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """Prometheus on a port of its own, over jobs by name. It looks at its targets for the first time after 5 s."""

    def __init__(self, jobs: Mapping[str, Sequence[Target]], rules: Mapping[str, Any] | None = None) -> None:
        port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="prometheus-"))
        rule_file = self._directory / "rules.json"
        rule_file.write_text(json.dumps(rules or {"groups": []}))
        config = self._directory / "prometheus.json"
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
        self._log = (self._directory / "log").open("w+b")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def __enter__(self) -> Self:
        wait_until(self._is_ready, "Prometheus to be ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def ask(self, expression: str) -> list[Sample]:
        """What an expression says now."""
        answer = self._client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{answer}: {expression}"
        data = answer["data"]
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(found["metric"], float(found["value"][1])) for found in data["result"]]

    def known(self, expression: str) -> list[Sample]:
        """The series of an answer that have a number."""
        return [sample for sample in self.ask(expression) if not math.isnan(sample.value)]

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            self._log.seek(0)
            raise AssertionError(self._log.read().decode(errors="replace"))
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


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
