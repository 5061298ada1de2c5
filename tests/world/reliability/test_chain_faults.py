"""The chain itself misbehaves: it branches off, stands, leaps, skips slots and claims the future."""

import math
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.proxy import PASS, Blackhole, Refuse
from tests.recorder import Recorder
from tests.reference import alpha_fee
from tests.service import Service, wait_until
from tests.world.anvil import Anvil
from tests.world.conftest import StartAnvil
from tests.world.reliability.conftest import ProxyTo
from tests.world.reliability.devnet_chain import DevnetChain, catch_up, oracle_on
from tests.world.reliability.journals import assert_verified, opened, rows_of
from tests.world.reliability.watched import FIRST_BASE_FEE, STALE_AFTER_SECONDS, Chain, Watched, now, watched

LIMIT = Fraction(1, 10)
RATE_LIMIT = {"TAIKO_MAX_FEE_INCREASE": "0.1", "TAIKO_MAX_FEE_DECREASE": "0.1"}
PATIENT = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "120", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "600"}
"""Where blocks are made faster than their timestamps tell."""
AS_CONFIGURED = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "48", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "180"}


def limited_fee(previous: int, base_fee: int) -> int:
    """The fee under the rate limit, worked out on its own."""
    highest = max(previous + 1, math.floor(previous * (1 + LIMIT)))
    lowest = min(previous - 1, math.ceil(previous * (1 - LIMIT)))
    return min(highest, max(lowest, alpha_fee(base_fee)))


def mined(node: Anvil, base_fees: Iterable[int]) -> Iterator[Mapping[str, Any]]:
    for base_fee in base_fees:
        yield node.mine_with_base_fee(base_fee, interval_seconds=1)


def base_fee_of(node: Anvil, number: int) -> int:
    return int(node.block(number)["baseFeePerGas"], 16)


@pytest.mark.parametrize("depth", [1, 8])
def test_after_a_reorg_the_previous_fee_is_the_parents_and_not_the_abandoned_blocks(
    depth: int, start_anvil: StartAnvil
) -> None:
    node = start_anvil(genesis_timestamp=now() - 100)
    chain = Chain(node)
    node.mine(3, interval_seconds=1)
    with watched({"only": node.url}, **RATE_LIMIT, **PATIENT) as oracle:
        fees = {3: oracle.service.quote_for(3)["feePerGas"]}
        for block in mined(node, [FIRST_BASE_FEE] * (11 - depth) + [1] * depth):
            number = int(block["number"], 16)
            fees[number] = oracle.service.quote_for(number)["feePerGas"]
            assert fees[number] == limited_fee(fees[number - 1], int(block["baseFeePerGas"], 16))
        head = max(fees)
        chain.note()
        node.rpc("anvil_setNextBlockBaseFeePerGas", hex(FIRST_BASE_FEE))
        node.rpc("anvil_reorg", depth, [])
        chain.note()
        expected = fees[head - depth]
        for number in range(head - depth + 1, head + 1):
            expected = limited_fee(expected, base_fee_of(node, number))
        assert expected != fees[head]
        wait_until(lambda: oracle.metric("l1_reorgs_total") == 1, "a followed reorg")
        assert oracle.service.event("reorg_followed")["depth"] == depth
        wait_until(lambda: (oracle.service.quote() or {})["feePerGas"] == expected, "the parent's path")
        assert oracle.metric("quotes_total", bound="rate_up") is not None
        oracle.recovers(preferred="only")
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=120, reorgs=True, is_default_formula=False)


def test_a_reorg_deeper_than_everything_we_hold_is_followed_on_a_path_made_anew(start_anvil: StartAnvil) -> None:
    node = start_anvil(genesis_timestamp=now() - 300)
    node.rpc("anvil_mine", hex(150), hex(1))
    chain = Chain(node)
    with watched(
        {"only": node.url}, TAIKO_QUOTE_STALE_AFTER_SECONDS="400", TAIKO_QUOTE_EXPIRES_AFTER_SECONDS="500"
    ) as oracle:
        chain.note(newest=20)
        node.rpc("anvil_mine", hex(140), hex(1))
        oracle.service.quote_for(290)
        chain.note(newest=300)
        node.rpc("anvil_reorg", 130, [])
        wait_until(lambda: oracle.service.events("path_rebuilt")[1:], "a path that was made anew")
        assert oracle.service.events("path_rebuilt")[1]["reason"] == "replaced"
        head = node.block("latest")["hash"]
        wait_until(lambda: (oracle.service.quote() or {})["l1"]["blockHash"] == head, "the new branch")
        assert oracle.metric("l1_reorgs_total") == len(oracle.service.events("reorg_followed"))
        oracle.recovers(preferred="only")
        chain.note(newest=300)
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=400, reorgs=True)


def test_a_head_that_stands_is_stale_as_late_and_lasts_five_times_longer_where_two_agree(
    start_anvil: StartAnvil, proxy_to: ProxyTo
) -> None:
    node = start_anvil(genesis_timestamp=now() - 60)
    chain = Chain(node)
    first, second = proxy_to(node), proxy_to(node)
    limits = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "2", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "3"}
    with watched({"first": first.url, "second": second.url}, **limits) as oracle:
        node.mine_at(now())
        oracle.awaits("fresh")
        oracle.awaits("stale")
        stale = oracle.service.quote() or {}
        assert stale["staleReason"] == "l1_late"
        wait_until(lambda: oracle.service.events("head_stood")[1:], "a head that stands")
        assert oracle.service.events("head_stood")[-1]["block"] == stale["l1"]["blockNumber"]
        assert oracle.metric("l1_head_standing") == 1
        assert oracle.metric("l1_head_anomalies_total", kind="stood_still") == 2
        wait_until(lambda: now() > stale["l1"]["timestamp"] + 5, "an age beyond the expiry")
        assert oracle.answer_status() == "stale", "two that agree that it stands are believed for longer"
        second.fault = Refuse()
        oracle.awaits("503", seconds=3)
        second.fault = PASS
        oracle.awaits("stale")
        node.mine_at(now())
        node.rpc("evm_setIntervalMining", 1)
        wait_until(lambda: oracle.service.events("head_moved")[1:], "a head that moves")
        assert oracle.service.events("head_moved")[-1]["stood_seconds"] > 5
        oracle.recovers(preferred="first")
        chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=2)


def test_two_missed_slots_are_fresh_and_the_third_is_not(start_anvil: StartAnvil) -> None:
    node = start_anvil(genesis_timestamp=now() - 300)
    node.mine_at(now() - 80)
    head = node.mine_at(now() - 42)
    chain = Chain(node)
    with watched({"only": node.url}, **AS_CONFIGURED) as oracle:
        assert (oracle.service.quote() or {})["l1"]["blockHash"] == head["hash"]
        oracle.awaits("stale", seconds=10)
        assert now() >= int(head["timestamp"], 16) + 48
        late = oracle.service.quote() or {}
        assert late["staleReason"] == "l1_late"
        assert late["ceilingFeePerGas"] > late["feePerGas"]
        node.mine_at(now())
        oracle.awaits("fresh", seconds=2)
        oracle.recovers(preferred="only")
        chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=48)
    late_answers = [each for each in oracle.recorder.quotes if each.body["l1"]["blockHash"] == head["hash"]]
    ages = {answer.body["status"]: answer.arrived_at_unix - answer.body["l1"]["timestamp"] for answer in late_answers}
    assert ages["fresh"] > 40


def test_a_head_from_the_future_is_named_and_fresh_for_no_longer_than_any_other(start_anvil: StartAnvil) -> None:
    node = start_anvil(genesis_timestamp=now() - 60)
    node.mine_at(now())
    before = node.rpc("evm_snapshot")
    chain = Chain(node)
    with watched({"only": node.url}) as oracle:
        chain.note()
        ahead = node.mine_at(now() + 60)
        chain.note()
        future = oracle.service.event("head_in_future")
        assert (future["provider"], future["block"]) == ("only", int(ahead["number"], 16))
        assert 55 <= future["seconds_ahead"] <= 60
        assert oracle.metric("l1_head_anomalies_total", kind="in_future") == 1
        oracle.service.quote_for(int(ahead["number"], 16))
        oracle.awaits("stale", seconds=8)
        node.rpc("evm_revert", before)
        node.mine_at(now())
        node.mine_at(now() + 1)
        node.rpc("evm_setIntervalMining", 1)
        oracle.recovers(preferred="only")
        chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4, reorgs=True)
    futures = [answer for answer in oracle.recorder.quotes if answer.body["l1"]["blockHash"] == ahead["hash"]]
    fresh = [answer.arrived_at for answer in futures if answer.body["status"] == "fresh"]
    assert fresh[-1] - fresh[0] < STALE_AFTER_SECONDS + 1


def test_two_hundred_blocks_between_two_polls_are_each_counted_once_and_priced_as_by_a_patient_poller(
    start_anvil: StartAnvil, proxy_to: ProxyTo
) -> None:
    node = start_anvil(genesis_timestamp=now() - 400)
    node.mine(3, interval_seconds=1)
    node.mine_with_base_fee(FIRST_BASE_FEE, interval_seconds=1)
    chain, proxy = Chain(node), proxy_to(node)
    long = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "500", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "600", **RATE_LIMIT}
    with watched({"node": node.url}, **long) as patient, watched({"node": proxy.url}, **long) as hasty:
        counted = quotes_counted(hasty)
        assert quotes_counted(patient) == counted
        proxy.fault = Blackhole()
        for _ in range(20):
            block = node.mine(10, interval_seconds=1)
            patient.service.quote_for(int(block["number"], 16))
        proxy.fault = PASS
        caught_up = hasty.service.quote_for(204)
        assert caught_up["quoteId"] == (patient.service.quote() or {})["quoteId"]
        assert quotes_counted(hasty) == quotes_counted(patient) == counted + 200
        hasty.recovers(preferred="node")
        chain.note(newest=300)
    for oracle in (patient, hasty):
        oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=500, is_default_formula=False)


def quotes_counted(oracle: Watched) -> int:
    return round(sum(value for _, value in oracle.samples("quotes_total")))


def gaps_in(state_url: str) -> list[tuple[int, int, str]]:
    with opened(state_url) as journal:
        found: list[tuple[int, int, str]] = journal.execute(
            "SELECT first_block, last_block, reason FROM gaps"
        ).fetchall()
    return found


@contextmanager
def before_and_after_an_absence(blocks: int, state_url: str, port: int) -> Iterator[tuple[Service, Recorder, int]]:
    """An oracle that is stopped while `blocks` are mined, and started again; with the last block before that."""
    settings = {"TAIKO_HTTP_PORT": str(port), **PATIENT, **RATE_LIMIT}
    with DevnetChain(3600) as chain, Recorder(f"http://127.0.0.1:{port}") as recorder:
        with oracle_on(chain, state_url, **settings) as service:
            last = catch_up(service, chain)
            assert service.stop(signal.SIGINT) == 0
        for first in range(0, blocks, 1000):
            chain.rpc("devnet_mine", hex(min(1000, blocks - first)))
        with oracle_on(chain, state_url, **settings) as service:
            service.quote_for(last + blocks)
            yield service, recorder, last
        recorder.stop()
        recorder.assert_honest(chain.truth(last), stale_after_seconds=120, is_default_formula=False)


def test_every_block_of_a_short_absence_is_caught_up_with_and_journaled(tmp_path: Path, free_port: int) -> None:
    state_url = f"sqlite:///{tmp_path}/journal.db"
    with before_and_after_an_absence(300, state_url, free_port) as (service, _, last):
        assert [row.block_number for row in rows_of(state_url)] == list(range(last, last + 301))
        assert gaps_in(state_url) == []
        assert service.get("/v1/status").json()["journal"] == "ok"
    assert_verified(state_url)


def test_an_absence_of_more_than_a_day_is_a_gap_that_has_a_name(tmp_path: Path, free_port: int) -> None:
    state_url = f"sqlite:///{tmp_path}/journal.db"
    with before_and_after_an_absence(7300, state_url, free_port) as (service, _, last):
        rebuilt = service.event("path_rebuilt")
        assert (rebuilt["reason"], rebuilt["gap_blocks"]) == ("gap", 7300 - 64)
        assert [row.block_number for row in rows_of(state_url)] == [last, last + 7300]
        assert gaps_in(state_url) == [(last + 1, last + 7299, "not_joined")]
    assert_verified(state_url)
