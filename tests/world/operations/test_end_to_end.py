"""The real service on the devnet, a real Prometheus and a real Alertmanager: what happens to L1 arrives at a webhook.

Time runs sixty times faster in all of them (see `scaling` and `tests.hurried_service`), so that 10 minutes are 10 s.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.process.test_service import rpc, url_of
from tests.service import Service, wait_until
from tests.world.operations.alertmanager import Alertmanager
from tests.world.operations.prometheus import Prometheus
from tests.world.operations.webhook import Webhook

FACTOR = 60
ROOT = Path(__file__).parents[3]
GWEI, ETHER = 10**9, 10**18
VAULT = "0x" + "ab" * 20
TARGET_ETHER = "1.6"
FULL, DRAINED = 13 * ETHER // 10, 12 * ETHER // 10
"""Deficits of 18.75 % and 25 % of the target, which add 1.21 and 1.61 gwei to the fee: recovery stays below 1.3."""
CALM, SPIKE = 25 * GWEI, 108 * GWEI
"""At 108 gwei the parameters alone make 49.1 gwei and keep the threshold of 50; with the deficit it is 50.3."""
CALM_BLOCKS_FIRST, SPIKE_BLOCKS, CALM_BLOCKS_THEN = 15, 45, 600
JUDGED_FROM_OUTSIDE = {"TaikoFeeOracleDown", "TaikoFeeOracleWatchdog"}
OF_A_DAY = {"deployment:taiko_fee_oracle_vault_underfunded:avg24h"}
INACTIVE = {"ok", "unknown", "unsatisfiable"}


def spiking_history() -> Iterator[int]:
    """Base fees, block by block: calm, as steeply as blocks allow to the spike, back again, calm."""
    yield from [CALM] * CALM_BLOCKS_FIRST
    base_fee = CALM
    while base_fee < SPIKE:
        base_fee = min(SPIKE, base_fee + base_fee // 8)
        yield base_fee
    yield from [SPIKE] * SPIKE_BLOCKS
    while base_fee > CALM:
        base_fee = max(CALM, base_fee - base_fee // 8)
        yield base_fee
    yield from [CALM] * CALM_BLOCKS_THEN


@dataclass
class Stage:
    """Everything that runs."""

    node: Service
    service: Service
    prometheus: Prometheus
    alertmanager: Alertmanager
    webhook: Webhook

    def states(self) -> dict[str, str]:
        """What the service says of each alert."""
        alerts = httpx.get(f"{self.service.event('http_listening')['url']}/v1/alerts", timeout=5).json()["alerts"]
        return {alert["name"]: alert["state"] for alert in alerts}

    def hold_agreement(self) -> None:
        """Return once service and Prometheus say the same of every alert; both look only now and then."""
        told: list[object] = []

        def agree() -> bool:
            states = self.states()
            active = dict.fromkeys(states, "inactive")
            for alert in self.prometheus.alerts():
                if alert.name not in JUDGED_FROM_OUTSIDE and active[alert.name] != "firing":
                    active[alert.name] = alert.state
            told[:] = [
                (name, state, active[name])
                for name, state in states.items()
                if ("inactive" if state in INACTIVE else state) != active[name]
            ]
            return not told

        try:
            wait_until(agree, "service and Prometheus to agree")
        except AssertionError as never:
            never.add_note(f"alert, service, Prometheus: {told}")
            raise

    def hold_course(self, *names: str) -> None:
        """Return once each of these has arrived as firing, and both sides say so."""
        for name in names:
            self.webhook.wait_for(name, "firing", receiver="protocol-team", seconds=60)
        self.hold_agreement()

    def hold_end(self, *names: str) -> None:
        """Return once each of these has arrived as resolved, and both sides say so."""
        for name in names:
            self.webhook.wait_for(name, "resolved", receiver="protocol-team", seconds=60)
        self.hold_agreement()


def hurried(node: Service, directory: Path, port: str) -> Service:
    return Service(
        "serve",
        command=(sys.executable, "-m", "tests.hurried_service", str(FACTOR)),
        environment={
            "PYTHONPATH": str(ROOT),
            "TAIKO_L1_RPC_URLS": f"node={url_of(node)}",
            "TAIKO_POLL_INTERVAL_SECONDS": "0.2",
            "TAIKO_RPC_TIMEOUT_SECONDS": "0.5",
            "TAIKO_QUOTE_STALE_AFTER_SECONDS": "4",
            "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "15",
            "TAIKO_VAULT_ADDRESSES": f"l1:{VAULT}",
            "TAIKO_VAULT_TARGET_ETH": TARGET_ETHER,
            "TAIKO_STATE_URL": f"sqlite:///{directory}/journal.db",
            "TAIKO_HTTP_PORT": port,
        },
    )


@contextmanager
def staged(directory: Path, *l1: str) -> Iterator[Stage]:
    """The oracle on an L1 of a block a second, watched."""
    with Service("devnet", "--port", "0", "--block-time", "1", *l1) as node:
        rpc(url_of(node), "devnet_setBalance", [VAULT, hex(FULL)])
        rpc(url_of(node), "devnet_mine", ["0x1"])
        with hurried(node, directory, "0") as service, Webhook() as webhook:
            address = service.event("http_listening")["url"].removeprefix("http://")
            with (
                Alertmanager(directory / "alertmanager", webhook_url=webhook.url, factor=FACTOR) as alertmanager,
                Prometheus(
                    directory / "prometheus",
                    targets={"oracle": [address]},
                    alertmanager=alertmanager.address,
                    factor=FACTOR,
                ) as prometheus,
            ):
                yield Stage(node, service, prometheus, alertmanager, webhook)


def hold_every_rule(prometheus: Prometheus) -> None:
    """After longer than their windows, but for the day's, each rule is evaluated and each recorded series is there."""
    rules = prometheus.rules()
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    assert {name for name in recorded if not prometheus.query(name)} == OF_A_DAY


def test_an_l1_that_stops_pages_and_its_return_resolves(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.prometheus.wait_for_series("taiko_fee_oracle_recommended_fee_gwei")
        stage.hold_agreement()
        stage.node.process.send_signal(signal.SIGSTOP)
        stage.hold_course("TaikoFeeOracleQuoteStale", "TaikoFeeOracleProviderDown")
        stage.node.process.send_signal(signal.SIGCONT)
        stage.hold_end("TaikoFeeOracleQuoteStale", "TaikoFeeOracleProviderDown")


@pytest.mark.proof
def test_a_spike_a_drained_vault_a_stopped_l1_and_a_lost_service_are_told_and_told_to_be_over(tmp_path: Path) -> None:
    history = tmp_path / "spike.csv"
    rows = "".join(f"{1000 + index},{1_700_000_000 + index},{fee}\n" for index, fee in enumerate(spiking_history()))
    history.write_text("block_number,timestamp,basefee_wei\n" + rows)
    with staged(tmp_path, "--replay", str(history)) as stage:
        stage.hold_course("TaikoFeeOracleFeeOutOfRange")
        stage.hold_end("TaikoFeeOracleFeeOutOfRange")

        rpc(url_of(stage.node), "devnet_setBalance", [VAULT, hex(DRAINED)])
        stage.hold_course("TaikoFeeOracleVaultDeficit")
        hold_every_rule(stage.prometheus)
        stage.node.process.send_signal(signal.SIGSTOP)
        stage.hold_course("TaikoFeeOracleQuoteStale")
        wait_until(lambda: "TaikoFeeOracleVaultDeficit" in stage.alertmanager.inhibited(), "the deficit's inhibition")
        stage.node.process.send_signal(signal.SIGCONT)
        stage.hold_end("TaikoFeeOracleQuoteStale")
        assert stage.states()["TaikoFeeOracleVaultDeficit"] == "firing"

        port = stage.service.event("http_listening")["url"].rpartition(":")[2]
        stage.service.process.kill()
        stage.webhook.wait_for("TaikoFeeOracleDown", "firing", receiver="protocol-team", severity="critical")
        with hurried(stage.node, tmp_path, port) as stage.service:
            stage.webhook.wait_for("TaikoFeeOracleDown", "resolved", receiver="protocol-team", severity="critical")
            stage.hold_agreement()
            rpc(url_of(stage.node), "devnet_setBalance", [VAULT, hex(FULL)])
            stage.hold_end("TaikoFeeOracleVaultDeficit")
        told = {one.name for one in stage.webhook.notified if one.receiver == "protocol-team"}
    assert told <= {
        "TaikoFeeOracleFeeOutOfRange",
        "TaikoFeeOracleVaultDeficit",
        "TaikoFeeOracleQuoteStale",
        "TaikoFeeOracleProviderDown",
        "TaikoFeeOracleDown",
    }, "nothing else may page"
