import subprocess
import time
from collections.abc import Iterator

import pytest
import yaml

from tests.service import wait_until
from tests.world.operations.alertmanager import CONFIG, Alertmanager
from tests.world.operations.prometheus import JOB
from tests.world.operations.test_rules import ALERTS
from tests.world.operations.webhook import Webhook

FACTOR = 600
HALF_AN_HOUR = 1800 / FACTOR
ROUTES = {
    "critical": ["protocol-team", "engineering-lead", "cto"],
    "warning": ["protocol-team", "engineering-lead"],
    "info": ["quiet"],
    "none": ["dead-mans-switch"],
}
ECONOMIC = {
    "TaikoFeeOracleFeeOutOfRange",
    "TaikoFeeOracleCostRecoveryDrift",
    "TaikoFeeOracleCostRecoveryLoss",
    "TaikoFeeOracleVaultDeficit",
    "TaikoFeeOracleVaultUnderfunded",
    "TaikoFeeOracleVaultUnreadable",
    "TaikoFeeOracleAtBound",
    "TaikoFeeOracleThresholdsUnsatisfiable",
}
SEVERITY = {rule["alert"]: rule["labels"]["severity"] for rule in reversed(ALERTS)}
"""Of an alert of two severities, the first."""


def alert(name: str, service: str | None = None, **labels: str) -> dict[str, str]:
    """The labels of an alert of one deployment, or of the whole job, as the rules give them."""
    name = f"TaikoFeeOracle{name.removeprefix('TaikoFeeOracle')}"
    deployment = {} if service is None else {"service": service}
    return {"alertname": name, "job": JOB, "severity": SEVERITY[name], **deployment, **labels}


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with Webhook() as started:
        yield started


@pytest.fixture(scope="module")
def alertmanager(webhook: Webhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One for all tests; each has deployments of its own."""
    with Alertmanager(tmp_path_factory.mktemp("am"), webhook_url=webhook.url, factor=FACTOR) as started:
        yield started


def amtool(*arguments: str) -> str:
    checked = subprocess.run(["amtool", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return checked.stdout


def test_alertmanager_takes_the_configuration() -> None:
    amtool("check-config", str(CONFIG))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_every_alert_goes_where_its_severity_says(rule: dict[str, dict[str, str]]) -> None:
    severity = rule["labels"]["severity"]
    labels = {"alertname": rule["alert"], "severity": severity, "job": JOB, "service": "oracle"}
    told = amtool("config", "routes", "test", f"--config.file={CONFIG}", *(f"{k}={v}" for k, v in labels.items()))
    assert told.strip().split(",") == ROUTES[severity]


def test_an_alert_of_no_known_severity_goes_to_the_protocol_team() -> None:
    told = amtool("config", "routes", "test", f"--config.file={CONFIG}", "alertname=Other")
    assert told.strip() == "protocol-team"


def test_every_receiver_is_there_to_be_filled_in() -> None:
    receivers = yaml.safe_load(CONFIG.read_text())["receivers"]
    assert [receiver["name"] for receiver in receivers] == [*ROUTES["critical"], *ROUTES["info"], *ROUTES["none"]]


def test_the_longer_a_critical_alert_fires_the_higher_it_goes(webhook: Webhook, alertmanager: Alertmanager) -> None:
    lasting, passing, acknowledged = (alert("VaultDeficit", name) for name in ("lasting", "passing", "acknowledged"))
    began = time.monotonic()
    alertmanager.fire(lasting, passing, acknowledged)
    for service in ("lasting", "passing", "acknowledged"):
        webhook.wait_for("TaikoFeeOracleVaultDeficit", "firing", service=service)
    alertmanager.resolve(passing)
    alertmanager.silence(service="acknowledged")
    webhook.wait_for("TaikoFeeOracleVaultDeficit", "firing", receiver="cto", service="lasting")
    alertmanager.resolve(lasting)
    for receiver in ROUTES["critical"]:
        webhook.wait_for("TaikoFeeOracleVaultDeficit", "resolved", receiver=receiver, service="lasting")

    told = {
        service: {
            one.receiver: one.at - began
            for one in reversed(webhook.told("TaikoFeeOracleVaultDeficit", status="firing", service=service))
        }
        for service in ("lasting", "passing", "acknowledged")
    }
    assert set(told["passing"]) == set(told["acknowledged"]) == {"protocol-team"}
    assert told["lasting"]["protocol-team"] < 900 / FACTOR
    assert 900 / FACTOR <= told["lasting"]["engineering-lead"] < 3600 / FACTOR <= told["lasting"]["cto"]
    assert webhook.told("TaikoFeeOracleVaultDeficit", status="resolved", service="passing", receiver="cto") == []


def test_an_alertmanager_that_begins_anew_counts_from_when_the_alert_began(
    webhook: Webhook, alertmanager: Alertmanager
) -> None:
    began = time.monotonic()
    alertmanager.fire(alert("VaultDeficit", "old"), since=time.time() - HALF_AN_HOUR)
    higher = webhook.wait_for("TaikoFeeOracleVaultDeficit", "firing", receiver="engineering-lead", service="old")
    assert higher.at - began < 900 / FACTOR


@pytest.mark.parametrize("cause", ["Down", "QuoteStale"])
def test_a_deployment_without_fresh_quotes_is_told_of_that_alone(
    cause: str, webhook: Webhook, alertmanager: Alertmanager
) -> None:
    here, elsewhere = f"{cause}-here", f"{cause}-elsewhere"
    source = alert(cause, here)
    alertmanager.fire(source)
    webhook.wait_for(source["alertname"], "firing", service=here)
    alertmanager.fire(
        *(alert(name, here) for name in ECONOMIC),
        alert("JournalDegraded", here),
        alert("FeeOutOfRange", elsewhere),
    )
    webhook.wait_for("TaikoFeeOracleFeeOutOfRange", "firing", service=elsewhere)
    webhook.wait_for("TaikoFeeOracleJournalDegraded", "firing", service=here)
    assert alertmanager.inhibited(service=here) == ECONOMIC
    assert webhook.told("TaikoFeeOracleFeeOutOfRange", service=here) == []

    alertmanager.resolve(source)
    webhook.wait_for("TaikoFeeOracleFeeOutOfRange", "firing", service=here)


def test_a_job_without_any_target_keeps_the_economic_alerts_of_all_its_deployments_away(
    webhook: Webhook, alertmanager: Alertmanager
) -> None:
    source = alert("Down")
    alertmanager.fire(source)
    wait_until(
        lambda: [one for one in webhook.told("TaikoFeeOracleDown") if "service" not in one.labels], "Down of the job"
    )
    alertmanager.fire(
        alert("VaultUnderfunded", "one"),
        alert("VaultUnderfunded", "two"),
        {**alert("AtBound", "three"), "job": "other"},
    )
    webhook.wait_for("TaikoFeeOracleAtBound", "firing", service="three")
    for service in ("one", "two"):
        assert alertmanager.inhibited(service=service) == {"TaikoFeeOracleVaultUnderfunded"}
        assert webhook.told("TaikoFeeOracleVaultUnderfunded", service=service) == []
    assert alertmanager.inhibited(service="three") == set()
    alertmanager.resolve(source)
    webhook.wait_for("TaikoFeeOracleVaultUnderfunded", "firing", service="one")


def test_one_replica_that_is_down_keeps_nothing_away(webhook: Webhook, alertmanager: Alertmanager) -> None:
    alertmanager.fire(alert("Down", "half", severity="warning"))
    webhook.wait_for("TaikoFeeOracleDown", "firing", service="half")
    alertmanager.fire(alert("FeeOutOfRange", "half"))
    webhook.wait_for("TaikoFeeOracleFeeOutOfRange", "firing", service="half")


def test_a_loss_is_not_told_again_as_a_drift(webhook: Webhook, alertmanager: Alertmanager) -> None:
    alertmanager.fire(alert("CostRecoveryLoss", "loss"))
    webhook.wait_for("TaikoFeeOracleCostRecoveryLoss", "firing", service="loss")
    alertmanager.fire(alert("CostRecoveryDrift", "loss"), alert("CostRecoveryDrift", "drift"))
    webhook.wait_for("TaikoFeeOracleCostRecoveryDrift", "firing", service="drift")
    assert alertmanager.inhibited(service="loss") == {"TaikoFeeOracleCostRecoveryDrift"}
    assert webhook.told("TaikoFeeOracleCostRecoveryDrift", service="loss") == []
