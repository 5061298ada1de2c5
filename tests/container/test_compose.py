"""The compose file, brought up for real with stand-ins for the images that it names; all of it but Grafana."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from tests.container.engine import ORACLE_IMAGE, Engine, answers
from tests.container.stack import MONITORING, PATIENCE_SECONDS, Stack, compose_file
from tests.service import wait_until

pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def monitored_engine(engine: Engine, project_root: Path) -> Engine:
    services = compose_file(project_root)["services"]
    for service in MONITORING:
        engine.make_stand_in(service, services[service]["image"])
    return engine


@pytest.fixture(scope="module")
def devnet(monitored_engine: Engine, project_root: Path) -> Iterator[Stack]:
    with Stack(monitored_engine, project_root, "devnet", "oracle-devnet") as stack:
        stack.wait_until_ready()
        yield stack


def test_the_devnet_profile_quotes_to_this_host(devnet: Stack) -> None:
    quote = httpx.get(f"{devnet.address}/v1/fee", timeout=5).json()
    assert quote["network"] == "devnet"
    assert quote["status"] == "fresh"


def test_prometheus_scrapes_the_oracle_and_nothing_that_does_not_answer(devnet: Stack) -> None:
    def fees() -> list[dict[str, list[str]]]:
        found = devnet.ask_prometheus("query", query="taiko_fee_oracle_recommended_fee_gwei")
        return found["result"] if found else []

    fee = wait_until(fees, "a fee in Prometheus", seconds=PATIENCE_SECONDS)
    assert len(fee) == 1
    assert float(fee[0]["value"][1]) > 0
    targets = devnet.ask_prometheus("targets")["activeTargets"]
    assert {target["health"] for target in targets} <= {"up", "unknown"}, targets


def test_every_rule_is_loaded_and_none_fails(devnet: Stack, project_root: Path) -> None:
    written = [
        rule.get("alert") or rule["record"]
        for path in sorted((project_root / "deploy/prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert written

    def judged() -> list[dict[str, str]] | None:
        found = devnet.ask_prometheus("rules") or {"groups": []}
        rules = [rule for group in found["groups"] for rule in group["rules"]]
        return None if any(rule["health"] == "unknown" for rule in rules) else rules

    rules = wait_until(judged, "rules that were evaluated", seconds=2 * PATIENCE_SECONDS)
    assert sorted(rule["name"] for rule in rules) == sorted(written)
    assert [rule for rule in rules if rule["health"] != "ok"] == []


def test_the_watchdog_reaches_alertmanager(devnet: Stack) -> None:
    def names() -> set[str]:
        if not answers(f"{devnet.alertmanager}/-/ready"):
            return set()
        alerts = httpx.get(f"{devnet.alertmanager}/api/v2/alerts", timeout=5).json()
        return {alert["labels"]["alertname"] for alert in alerts}

    wait_until(lambda: "TaikoFeeOracleWatchdog" in names(), "the watchdog", seconds=2 * PATIENCE_SECONDS)


def test_every_service_finds_itself_healthy(devnet: Stack) -> None:
    for service in devnet.services:
        wait_until(partial(devnet.is_healthy, service), f"a healthy {service}", seconds=PATIENCE_SECONDS)


def test_every_service_runs_as_nobody_with_nothing_to_write_to_and_only_this_host_reaches_it(devnet: Stack) -> None:
    for service in devnet.services:
        status = devnet.engine.run("podman", "exec", devnet.container(service), "cat", "/proc/1/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in facts["Uid"].split(), service
        assert int(facts["CapBnd"], 16) == 0, service
        assert facts["NoNewPrivs"] == "1", service
        written = devnet.engine.attempt("podman", "exec", "--user", "0", devnet.container(service), "touch", "/mine")
        assert "Read-only file system" in written.stderr, service
        host = devnet.inspect(service)["HostConfig"]
        assert 0 < host["Memory"] <= 512 * 1024**2, service
        published = [port for ports in host["PortBindings"].values() for port in ports]
        assert {port["HostIp"] for port in published} == {"127.0.0.1"}, service


def test_the_l1_profile_waits_for_its_node_and_keeps_its_journal_when_it_is_replaced(
    monitored_engine: Engine, project_root: Path, tmp_path: Path
) -> None:
    node = "l1.example"
    with Stack(monitored_engine, project_root, "l1", "oracle", TAIKO_L1_RPC_URLS=f"http://{node}:8545") as stack:
        wait_until(lambda: answers(f"{stack.address}/livez"), "a service without a node", seconds=PATIENCE_SECONDS)
        assert not answers(f"{stack.address}/readyz")
        assert not stack.is_healthy("oracle")

        chain = monitored_engine.run(
            *("podman", "run", "--detach", "--network", f"{stack.project}_default", "--network-alias", node),
            *(ORACLE_IMAGE, "devnet", "--host", "0.0.0.0", "--port", "8545", "--allow-remote"),  # noqa: S104
        )
        try:
            stack.wait_until_ready()
            before = httpx.get(f"{stack.address}/v1/fee", timeout=5).json()

            stack.run("stop", "oracle")
            assert monitored_engine.exit_code(stack.container("oracle")) == 0
            copy = tmp_path / "journal.db"
            monitored_engine.run(
                *("podman", "cp", f"{stack.container('oracle')}:/var/lib/taiko-fee-oracle/journal.db", str(copy))
            )
            monitored_engine.run(sys.executable, "-m", "app", "verify", "--state-url", f"sqlite:///{copy}")
            stack.run("run", "--rm", "--no-deps", "oracle", "config", "check")
            stack.run("up", "--detach", "--no-build", "--force-recreate", "oracle")
            stack.wait_until_ready()
            kept = httpx.get(f"{stack.address}/v1/history", params={"limit": 1000}, timeout=5).json()["quotes"]
            assert before["quoteId"] in {quote["quoteId"] for quote in kept}
            assert monitored_engine.run("podman", "exec", stack.container("oracle"), "taiko-fee-oracle", "verify")
        finally:
            monitored_engine.run("podman", "rm", "--force", "--time", "0", chain)
