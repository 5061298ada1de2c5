"""The commands of the runbooks, page by page, by a shell against the real service, Prometheus and Alertmanager."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.deploy.runbooks import PAGES, blocks_of, queries_of
from tests.service import Service, wait_until
from tests.world.operations.alertmanager import Alertmanager
from tests.world.operations.component import DEPLOY
from tests.world.operations.prometheus import Prometheus
from tests.world.operations.webhook import Webhook

TOKEN = "a-token-for-runbooks-with-many-characters"  # noqa: S105 - of this test alone
TARGET_ETHER = 10
DEPLOYMENT = DEPLOY / "runbooks" / "deployment.md"


@dataclass
class Desk:
    """What whoever is called at night has before them."""

    service: Service
    prometheus: Prometheus
    alertmanager: Alertmanager
    directory: Path

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """The script as the tests run it: each command has to succeed, also within a pipeline."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.directory,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "ORACLE_URL": str(self.service.client.base_url).rstrip("/"),
                "PROMETHEUS_URL": self.prometheus.url,
                "ALERTMANAGER_URL": self.alertmanager.url,
                "TAIKO_ADMIN_TOKEN": TOKEN,
                "TAIKO_STATE_URL": f"sqlite:///{self.service.directory / 'var' / 'taiko-fee-oracle.db'}",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def as_it_was(self) -> None:
        """The vault full, no override, and a quote that says so."""
        client, authorized = self.service.client, {"Authorization": f"Bearer {TOKEN}"}
        sequence = time.time_ns() // 1_000_000
        report = {"balanceWei": str(TARGET_ETHER * 10**18), "sequence": sequence}
        client.put("/v1/vault", json=report, headers=authorized).raise_for_status()
        client.delete("/v1/parameters", headers=authorized).raise_for_status()
        environment = client.get("/v1/parameters").json()["parametersId"]

        def settled() -> bool:
            quote = self.service.quote()
            is_full = client.get("/v1/vault").json()["sequence"] == sequence
            return bool(
                is_full and quote and quote["vault"]["deficitWei"] == "0" and quote["parametersId"] == environment
            )

        wait_until(settled, "a quote with a full vault and the environment's parameters")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    environment = {
        "TAIKO_ADMIN_TOKEN": TOKEN,
        "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
        "TAIKO_VAULT_SOURCE": "push",
        "TAIKO_VAULT_TARGET_ETH": str(TARGET_ETHER),
    }
    directory = tmp_path_factory.mktemp("desk")
    (directory / "deploy").symlink_to(DEPLOY)
    with (
        Service("serve", "--devnet", "--devnet-block-time", "0.5", environment=environment) as service,
        Webhook() as webhook,
        Alertmanager(directory / "alertmanager", webhook_url=webhook.url) as alertmanager,
        Prometheus(
            directory / "prometheus",
            targets={"oracle": [service.client.base_url.netloc.decode()]},
            alertmanager=alertmanager.address,
        ) as prometheus,
    ):
        found = Desk(service, prometheus, alertmanager, directory)
        found.as_it_was()
        prometheus.wait_for_series("deployment:taiko_fee_oracle_recommended_fee_gwei:newest")
        wait_until(alertmanager.alerts, "the watchdog at Alertmanager")
        yield found


def script_of(page: Path, *, since: str = "") -> str:
    return "\n".join(block.script for block in blocks_of(page, since=since) if block.kind == "sh")


def check(desk: Desk, script: str) -> None:
    completed = desk.run(script)
    if "-X " in script:
        desk.as_it_was()
    assert completed.returncode == 0, completed.stdout[-3000:] + completed.stderr[-3000:]
    assert completed.stdout
    assert "urn:taiko-fee-oracle:problem:" not in completed.stdout
    assert "error" not in completed.stderr, completed.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if page != DEPLOYMENT], ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_is_there_for(desk: Desk, page: Path) -> None:
    script = script_of(page)
    assert script, "a page without a command helps nobody"
    check(desk, script)


@pytest.mark.proof
def test_every_command_of_a_deployment_does_what_it_is_there_for(desk: Desk) -> None:
    check(desk, script_of(DEPLOYMENT))


def test_the_rollback_plan_does_what_it_says(desk: Desk) -> None:
    check(desk, script_of(DEPLOYMENT, since="## Rollback"))
    trail = desk.service.get("/v1/audit?limit=10", authorization=f"Bearer {TOKEN}").json()["entries"]
    reasons = [entry["reason"] for entry in trail if entry["reason"]]
    assert reasons[:3] == ["the emergency is over", "emergency revert", "rollback plan: lower fees"]
    restored, revert = (
        next(entry["fromBlock"] for entry in trail if entry["reason"] == reason) for reason in reasons[:2]
    )
    quotes = desk.service.get(f"/v1/history?limit=100&before={restored}").json()["quotes"]
    charged = {quote["components"]["base"] for quote in quotes if quote["l1"]["blockNumber"] >= revert}
    assert charged == {0}, "while it is on, the legacy formula charges no base fee"
    assert desk.service.get("/v1/parameters").json()["sources"]["controller"] == "default"


def test_every_query_is_one_that_prometheus_understands(desk: Desk) -> None:
    for query in {query for page in PAGES for query in queries_of(page)}:
        answer = httpx.get(f"{desk.prometheus.url}/api/v1/query", params={"query": query}, timeout=5).json()
        assert answer["status"] == "success", (query, answer)
