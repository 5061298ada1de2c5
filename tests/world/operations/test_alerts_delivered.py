from pathlib import Path

from tests.world.operations.alertmanager import Alertmanager
from tests.world.operations.prometheus import JOB, Prometheus
from tests.world.operations.webhook import Webhook

FACTOR = 60


def test_an_oracle_that_is_not_there_is_told_as_down_and_the_watchdog_proves_the_path(tmp_path: Path) -> None:
    with (
        Webhook() as webhook,
        Alertmanager(tmp_path / "alertmanager", webhook_url=webhook.url, factor=FACTOR) as alertmanager,
        Prometheus(tmp_path / "prometheus", targets={}, alertmanager=alertmanager.address, factor=FACTOR) as prometheus,
    ):
        down = webhook.wait_for("TaikoFeeOracleDown", "firing")
        watchdog = webhook.wait_for("TaikoFeeOracleWatchdog", "firing")
        unhealthy = {rule["name"]: rule["lastError"] for rule in prometheus.rules() if rule["health"] == "err"}
    assert unhealthy == {}
    assert (down.receiver, watchdog.receiver) == ("protocol-team", "dead-mans-switch")
    assert down.labels == {"alertname": "TaikoFeeOracleDown", "job": JOB, "severity": "critical"}
    assert down.annotations["runbook_url"] == "https://runbooks.example/taiko-fee-oracle/TaikoFeeOracleDown.md"
