"""The real Prometheus on `deploy/prometheus`, with its time scaled and its targets and Alertmanager on loopback."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.service import wait_until
from tests.world.operations.component import DEPLOY, Component
from tests.world.operations.scaling import scaled, scaled_duration

CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
RULES = DEPLOY / "prometheus" / "rules"
JOB = "taiko-fee-oracle"
# What Prometheus itself waits, as it is without options.
_OPTIONS = {
    "query.lookback-delta": "5m",
    "rules.alert.resend-delay": "1m",
    "rules.alert.for-outage-tolerance": "1h",
    "rules.alert.for-grace-period": "10m",
}

Targets = Mapping[str, Sequence[str]]
"""Addresses of the replicas by their deployment's name, the label `service`: `{"oracle": ["127.0.0.1:8600"]}`."""


@dataclass(frozen=True)
class Alert:
    """An active alert as Prometheus tells of it."""

    name: str
    state: str
    """pending or firing."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


def samples(data: Mapping[str, Any]) -> list[Sample]:
    """The series of an answer to an instant query."""
    if data["resultType"] == "scalar":
        return [Sample({}, float(data["result"][1]))]
    return [Sample(found["metric"], float(found["value"][1])) for found in data["result"]]


class Prometheus(Component):
    """One Prometheus. As a context manager it starts, waits until ready, and ends with the block:

        targets = {"oracle": [f"127.0.0.1:{port}"]}
        with Prometheus(tmp_path, targets=targets, alertmanager=alertmanager.address) as prometheus:
            prometheus.wait_for("TaikoFeeOracleDown", "firing")

    `directory` must be its own. The rules, the configuration and Prometheus's own waits are the real ones divided by
    `factor`: with 60 it scrapes and evaluates every 250 ms, 10 m are 10 s, 1 h is a minute and 24 h are 24 minutes. How
    fast it finds targets and Alertmanagers is not scaled: some 5 s after the start, and up to 10 s after `scrape`. With
    no target yet Down fires meanwhile, so wait for it to be quiet before anything else is judged.
    """

    def __init__(
        self, directory: Path, *, targets: Targets, alertmanager: str | None = None, factor: float = 60
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._targets = directory / "targets.json"
        rules = directory / "rules"
        rules.mkdir(exist_ok=True)
        for path in RULES.glob("*.yml"):
            (rules / path.name).write_text(scaled(path.read_text(), factor))
        config = directory / "prometheus.yml"
        config.write_text(local_config(scaled(CONFIG.read_text(), factor), self._targets, alertmanager))
        options = [f"--{name}={scaled_duration(duration, factor)}" for name, duration in _OPTIONS.items()]
        super().__init__(
            directory,
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}", *options],
        )
        self.scrape(targets)

    def scrape(self, targets: Targets) -> None:
        """From now on, scrape these and nothing else."""
        groups = [
            {"targets": list(addresses), "labels": {"__meta_dns_name": service}}
            for service, addresses in targets.items()
        ]
        written = self._targets.with_suffix(".new")
        written.write_text(json.dumps(groups))
        written.rename(self._targets)

    def query(self, expression: str) -> list[Sample]:
        """The answer to an instant query for a vector or a scalar, now."""
        return samples(self._get("/api/v1/query", query=expression))

    def alerts(self, name: str | None = None) -> list[Alert]:
        """Every active alert, or those of one name."""
        found = [
            Alert(
                alert["labels"]["alertname"],
                alert["state"],
                alert["labels"],
                alert["annotations"],
                float(alert["value"]),
            )
            for alert in self._get("/api/v1/alerts")["alerts"]
        ]
        return [alert for alert in found if name in (None, alert.name)]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule that it has loaded, as its API tells: `name`, `query`, `type`, `health`, `lastError` and so on."""
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def wait_for(self, name: str, state: str, *, seconds: float = 60) -> Alert:
        """The first active alert of that name in that state, as soon as there is one."""
        return wait_until(
            lambda: [alert for alert in self.alerts(name) if alert.state == state], f"{name} {state}", seconds=seconds
        )[0]

    def wait_until_quiet(self, name: str, *, seconds: float = 60) -> None:
        """Return once no alert of that name is active."""
        wait_until(lambda: not self.alerts(name), f"the end of {name}", seconds=seconds)

    def wait_for_series(self, expression: str, *, seconds: float = 60) -> list[Sample]:
        """The answer to an instant query, as soon as it has a series."""
        return wait_until(lambda: self.query(expression), expression, seconds=seconds)

    def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401, JSON
        answer = self.client.get(path, params=parameters)
        assert answer.is_success, answer.text
        return answer.json()["data"]


def local_config(text: str, targets: Path, alertmanager: str | None) -> str:
    """The configuration with addresses that exist here: the oracle's from a file, and one Alertmanager or none."""
    config = yaml.safe_load(text)
    (job,) = (job for job in config["scrape_configs"] if job["job_name"] == JOB)
    (discovery,) = job.pop("dns_sd_configs")
    job["file_sd_configs"] = [{"files": [str(targets)], "refresh_interval": discovery["refresh_interval"]}]
    config["scrape_configs"] = [job]
    config["alerting"]["alertmanagers"] = (
        [] if alertmanager is None else [{"static_configs": [{"targets": [alertmanager]}]}]
    )
    return yaml.safe_dump(config)
