"""The real Alertmanager on `deploy/alertmanager/alertmanager.yml`, its time scaled, its receivers led to a webhook."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.world.operations.component import DEPLOY, Component
from tests.world.operations.scaling import scaled

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
_PLACEHOLDER = re.compile(r"http://[\w-]+\.invalid/")


def led_to(webhook_url: str, text: str) -> str:
    """The configuration with every placeholder of a receiver replaced by one URL."""
    replaced, receivers = _PLACEHOLDER.subn(webhook_url, text)
    assert receivers, "the configuration has no placeholder for a receiver"
    return replaced


class Alertmanager(Component):
    """One Alertmanager, without peers. As a context manager it starts, waits until ready, and ends with the block:

        with Webhook() as webhook, Alertmanager(tmp_path, webhook_url=webhook.url, factor=60) as alertmanager: ...

    `directory` must be its own. With `factor` 60 a critical alert reaches the protocol team after half a second, the
    engineering lead after 15 s and the CTO after a minute.
    """

    def __init__(self, directory: Path, *, webhook_url: str, factor: float = 60) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "alertmanager.yml"
        config.write_text(scaled(led_to(webhook_url, CONFIG.read_text()), factor))
        super().__init__(
            directory,
            [
                "prometheus-alertmanager",
                f"--config.file={config}",
                f"--storage.path={directory / 'data'}",
                "--cluster.listen-address=",
            ],
        )

    @property
    def address(self) -> str:
        """Host and port, as Prometheus names it."""
        return f"127.0.0.1:{self.port}"

    def fire(self, *alerts: Mapping[str, str], since: float | None = None) -> None:
        """Tell it as Prometheus does that these label sets fire, from now or a Unix time on, until resolved."""
        starts = {} if since is None else {"startsAt": _rfc3339(since)}
        self._post({"labels": labels, "endsAt": _rfc3339(4e9), **starts} for labels in alerts)

    def resolve(self, *alerts: Mapping[str, str]) -> None:
        """Tell it that these label sets no longer fire."""
        self._post({"labels": labels, "endsAt": _rfc3339(datetime.now(UTC).timestamp())} for labels in alerts)

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that it holds, as its API tells: `labels`, `status` with `state` and `inhibitedBy`, and so on."""
        found: list[dict[str, Any]] = self.client.get("/api/v2/alerts").raise_for_status().json()
        return found

    def inhibited(self, **labels: str) -> set[str]:
        """The names of the alerts with these labels that others keep away."""
        return {
            alert["labels"]["alertname"]
            for alert in self.alerts()
            if alert["status"]["inhibitedBy"] and labels.items() <= alert["labels"].items()
        }

    def silence(self, **labels: str) -> None:
        """Acknowledge what has these labels, as a person does: for an hour nobody is told of it."""
        now = datetime.now(UTC).timestamp()
        silence = {
            "matchers": [{"name": name, "value": value, "isRegex": False} for name, value in labels.items()],
            "startsAt": _rfc3339(now),
            "endsAt": _rfc3339(now + 3600),
            "createdBy": "on-call",
            "comment": "seen",
        }
        self.client.post("/api/v2/silences", json=silence).raise_for_status()

    def _post(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        self.client.post("/api/v2/alerts", json=list(alerts)).raise_for_status()


def _rfc3339(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat()
