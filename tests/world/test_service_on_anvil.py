"""The real program on a real Ethereum node."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference import WEI_PER_ETHER, alpha_fee
from tests.service import Service, wait_until
from tests.world.anvil import Anvil, running_anvil
from tests.world.series import LONG_FRESHNESS, base_fees, follow

POLLING = {"TAIKO_POLL_INTERVAL_SECONDS": "0.1", **LONG_FRESHNESS}
VAULT = "0x" + "5a" * 20


def oracle_on(*nodes: Anvil, **environment: str) -> Service:
    urls = ",".join(f"node{place}={node.url}" for place, node in enumerate(nodes))
    return Service("serve", environment={"TAIKO_L1_RPC_URLS": urls, **POLLING, **environment})


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    with running_anvil(tmp_path, genesis_timestamp=int(time.time()) - 3600) as node:
        yield node


def test_each_recorded_base_fee_is_served_as_the_formula_has_it(anvil: Anvil) -> None:
    with oracle_on(anvil) as service:
        follow(anvil, service, base_fees("l1-basefee-short.csv"))


def test_the_next_blocks_fee_is_what_is_served_once_that_block_is_there(anvil: Anvil) -> None:
    anvil.mine(3, interval_seconds=1)
    with oracle_on(anvil) as service:
        for _ in range(5):
            head = anvil.block("latest")
            announced = service.quote_for(int(head["number"], 16))["next"]
            block = anvil.mine(interval_seconds=1)
            quote = service.quote_for(int(block["number"], 16))
            assert announced == {"blockNumber": quote["l1"]["blockNumber"], "feePerGas": quote["feePerGas"]}


def test_the_fee_follows_a_vaults_balance_to_the_wei(anvil: Anvil) -> None:
    anvil.set_balance(VAULT, 10 * WEI_PER_ETHER)
    anvil.mine(2, interval_seconds=1)
    with oracle_on(anvil, TAIKO_VAULT_ADDRESSES=f"l1:{VAULT}", TAIKO_VAULT_TARGET_ETH="10") as service:
        assert wait_until(service.quote, "a quote")["vault"]["deficitWei"] == "0"
        for balance in (7 * WEI_PER_ETHER + 1, 3, 12 * WEI_PER_ETHER):
            anvil.set_balance(VAULT, balance)
            block = anvil.mine(interval_seconds=1)
            quote = service.quote_for(int(block["number"], 16))
            deficit = 10 * WEI_PER_ETHER - balance
            assert quote["vault"]["balanceWei"] == str(balance)
            assert quote["vault"]["deficitWei"] == str(deficit)
            assert quote["feePerGas"] == alpha_fee(quote["l1"]["baseFeePerGas"], max(0, deficit))
        reading = service.get("/v1/vault").json()["readings"][0]
        assert reading == {
            "layer": "l1",
            "address": VAULT,
            "blockNumber": quote["l1"]["blockNumber"],
            "balanceWei": str(12 * WEI_PER_ETHER),
        }


def test_a_vault_on_both_layers_is_summed_at_the_l1_heads_time(anvil: Anvil, tmp_path: Path) -> None:
    with running_anvil(tmp_path / "l2", chain_id=167000, genesis_timestamp=anvil.timestamp()) as l2:
        anvil.set_balance(VAULT, 1 * WEI_PER_ETHER)
        head = anvil.mine(2, interval_seconds=12)
        l2.set_balance(VAULT, 2 * WEI_PER_ETHER)
        not_after = l2.mine_at(int(head["timestamp"], 16))
        l2.mine_at(int(head["timestamp"], 16) + 2)
        l2.set_balance(VAULT, 50 * WEI_PER_ETHER)
        environment = {
            "TAIKO_L2_RPC_URLS": l2.url,
            "TAIKO_VAULT_ADDRESSES": f"l1:{VAULT},l2:{VAULT}",
            "TAIKO_VAULT_TARGET_ETH": "4",
        }
        with oracle_on(anvil, **environment) as service:
            quote = wait_until(service.quote, "a quote")
            assert quote["vault"]["balanceWei"] == str(3 * WEI_PER_ETHER)
            assert quote["feePerGas"] == alpha_fee(quote["l1"]["baseFeePerGas"], WEI_PER_ETHER)
            readings = service.get("/v1/vault").json()["readings"]
            assert [entry["blockNumber"] for entry in readings] == [
                quote["l1"]["blockNumber"],
                int(not_after["number"], 16),
            ]


def test_a_vault_that_cannot_be_read_is_held_and_never_zero(anvil: Anvil, tmp_path: Path) -> None:
    with running_anvil(tmp_path / "l2", chain_id=167000, genesis_timestamp=anvil.timestamp() - 60) as l2:
        l2.set_balance(VAULT, 3 * WEI_PER_ETHER)
        anvil.mine(interval_seconds=1)
        environment = {
            "TAIKO_L2_RPC_URLS": l2.url,
            "TAIKO_VAULT_ADDRESSES": f"l2:{VAULT}",
            "TAIKO_VAULT_TARGET_ETH": "5",
        }
        with oracle_on(anvil, **environment) as service:
            assert wait_until(service.quote, "a quote")["vault"]["condition"] == "current"
            l2.kill()
            block = anvil.mine(interval_seconds=1)
            held = service.quote_for(int(block["number"], 16))
            assert held["vault"]["condition"] == "held"
            assert held["vault"]["deficitWei"] == str(2 * WEI_PER_ETHER)
            assert held["feePerGas"] == alpha_fee(held["l1"]["baseFeePerGas"], 2 * WEI_PER_ETHER)


def test_a_killed_node_is_noticed_and_its_restart_too(tmp_path: Path) -> None:
    past = int(time.time()) - 3600
    with running_anvil(tmp_path / "first", genesis_timestamp=past) as node:
        node.mine(5, interval_seconds=1)
        with oracle_on(node) as service:
            before = wait_until(service.quote, "a quote")
            node.kill()
            service.event("poll_failed")
            assert service.quote() == before, "the last quote stands, at its own age"
            with running_anvil(tmp_path / "second", port=node.port, genesis_timestamp=past + 600) as again:
                block = again.mine_with_base_fee(40 * 10**9, interval_seconds=1)
                service.event("poll_recovered")
                wait_until(
                    lambda: (service.quote() or {})["l1"]["blockHash"] == block["hash"], "a quote of the new chain"
                )
                quote = service.quote()
                assert quote is not None
                assert quote["feePerGas"] == alpha_fee(40 * 10**9)


def test_a_node_on_another_chain_is_refused(anvil: Anvil) -> None:
    with oracle_on(anvil, TAIKO_L1_CHAIN_ID="1") as service:
        failed = service.event("poll_failed")
        assert failed["reason"] == "wrong_chain"
        assert "31337" in failed["detail"]
        assert service.get("/v1/fee").status_code == 503


def test_the_next_node_in_order_takes_over_from_a_dead_one(anvil: Anvil, tmp_path: Path) -> None:
    with running_anvil(tmp_path / "spare", genesis_timestamp=anvil.timestamp()) as spare:
        anvil.mine(2, interval_seconds=1)
        with oracle_on(anvil, spare) as service:
            wait_until(service.quote, "a quote")
            anvil.kill()
            changed = service.event("provider_changed")
            assert (changed["provider"], changed["instead_of"], changed["reason"]) == ("node1", "node0", "unreachable")


def test_a_frozen_node_costs_no_more_than_its_timeout(anvil: Anvil) -> None:
    anvil.mine(2, interval_seconds=1)
    with oracle_on(anvil, TAIKO_RPC_TIMEOUT_SECONDS="0.5") as service:
        wait_until(service.quote, "a quote")
        anvil.freeze()
        assert service.event("poll_failed")["reason"] == "timeout"
        assert service.get("/livez").status_code == 200
        anvil.thaw()
        service.event("poll_recovered")


def test_a_reorg_on_the_node_is_followed(anvil: Anvil) -> None:
    anvil.mine(6, interval_seconds=1)
    with oracle_on(anvil) as service:
        before = wait_until(service.quote, "a quote")
        anvil.rpc("anvil_reorg", 3, [])
        wait_until(
            lambda: (service.quote() or before)["l1"]["blockHash"] != before["l1"]["blockHash"], "the new branch"
        )
        quote = service.quote()
        assert quote is not None
        assert quote["l1"]["blockHash"] == anvil.block("latest")["hash"]
        assert "taiko_fee_oracle_l1_reorgs_total 1" in service.get("/metrics").text
