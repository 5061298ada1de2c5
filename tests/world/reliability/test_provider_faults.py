"""Providers die, freeze, refuse, fall behind and lie, and come to their senses."""

from collections.abc import Mapping

import pytest

from tests.proxy import PASS, Refuse
from tests.service import wait_until
from tests.world.anvil import Anvil
from tests.world.conftest import StartAnvil
from tests.world.reliability.conftest import ProxyTo
from tests.world.reliability.failovers import FAILBACK_SECONDS, PROVIDER_CASES, STALE_AFTER_SECONDS, Case, Outcome
from tests.world.reliability.forgeries import forged, raised, refusing
from tests.world.reliability.watched import FIRST_BASE_FEE, GWEI, Chain, Watched, now, watched

SOON_EXPIRED = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "3", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "5"}
AT_ONCE_SECONDS = 2.5
"""A few polls, a block's second, and a busy machine."""


@pytest.mark.parametrize("case", PROVIDER_CASES, ids=lambda case: case.name)
def test_a_preferred_provider_that_is_of_no_use_is_left_at_once_and_gone_back_to_after_a_minute(
    case: Case, failovers: Mapping[str, Outcome]
) -> None:
    outcome = failovers[case.name]
    assert outcome.traces == []
    assert outcome.left.get("provider") == "spare"
    assert outcome.left["reason"] in case.reasons
    assert [change["reason"] for change in outcome.back] == ["recovered"]
    assert FAILBACK_SECONDS < outcome.seconds_away < FAILBACK_SECONDS + 15
    assert set(outcome.recorder.counts()) == {"fresh"}, "the spare took over before anything was stale"
    outcome.recorder.assert_honest(outcome.chain.blocks, stale_after_seconds=STALE_AFTER_SECONDS)


def becomes_stale_then_expires(oracle: Watched) -> None:
    oracle.awaits("stale")
    stale = oracle.service.quote()
    assert stale is not None
    assert stale["staleReason"] == "l1_unreachable"
    assert stale["ceilingFeePerGas"] > stale["feePerGas"]
    oracle.awaits("503")


def test_the_only_node_killed_and_started_anew_takes_the_quote_through_stale_and_expired_back_to_fresh(
    start_anvil: StartAnvil,
) -> None:
    node = start_anvil(block_time_seconds=1)
    chain = Chain(node)
    with watched({"only": node.url}, **SOON_EXPIRED) as oracle:
        chain.note()
        node.kill()
        becomes_stale_then_expires(oracle)
        assert oracle.metric("provider_up", provider="only") == 0
        again = start_anvil(port=node.port, block_time_seconds=1)
        oracle.awaits("fresh", seconds=5)
        oracle.recovers(preferred="only")
        begun_anew = Chain(again)
        begun_anew.note()
    begun_anew.note()
    truth = {number: chain.blocks[number] | begun_anew.blocks[number] for number in range(200)}
    counts = oracle.recorder.counts()
    assert min(counts["fresh"], counts["stale"], counts["503"]) > 0
    oracle.recorder.assert_honest(truth, stale_after_seconds=3, reorgs=True)
    assert len(oracle.service.events("poll_failed")) == len(oracle.service.events("poll_recovered")) == 1


def test_the_only_node_frozen_and_thawed_is_followed_again_at_once(node: Anvil, chain: Chain) -> None:
    with watched({"only": node.url}) as oracle:
        node.freeze()
        oracle.awaits("stale")
        assert oracle.feed()["failureReason"] == "timeout"
        node.thaw()
        oracle.awaits("fresh", seconds=AT_ONCE_SECONDS)
        oracle.recovers(preferred="only")
    chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)


def test_of_three_that_are_gone_the_last_usable_one_is_seen_at_once_when_it_returns(
    node: Anvil, chain: Chain, proxy_to: ProxyTo
) -> None:
    first, last, third = (proxy_to(node) for _ in range(3))
    providers = {"first": first.url, "last": last.url, "third": third.url}
    with watched(providers, TAIKO_L1_QUORUM="1", **SOON_EXPIRED) as oracle:
        first.fault = third.fault = Refuse()
        wait_until(lambda: oracle.feed()["provider"] == "last", "the last provider")
        wait_until(lambda: len(oracle.service.events("provider_opened")) == 2, "two open breakers")
        last.fault = Refuse()
        becomes_stale_then_expires(oracle)
        assert {state for _, state in oracle.samples("provider_breaker_open")} == {1.0}
        last.fault = PASS
        oracle.awaits("fresh", seconds=AT_ONCE_SECONDS)
        assert oracle.feed()["provider"] == "last"
        first.fault = third.fault = PASS
        oracle.recovers(preferred=None)
    chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=3)


FORGERIES = {
    "base_fee_per_gas": forged(raised("baseFeePerGas", 50 * GWEI)),
    "gas_used": forged(raised("gasUsed", 10_000_000)),
    "timestamp": forged(raised("timestamp", 7)),
}


def assert_one_dissents(oracle: Watched, alias: str, *fields: str) -> None:
    wait_until(lambda: oracle.feed()["dissentingProviders"] == [alias], f"dissent of {alias}")
    assert oracle.metric("provider_dissenting", provider=alias) == 1
    assert oracle.provider(alias)["dissenting"] is True
    began = oracle.service.event("dissent_began")
    assert (began["provider"], began["fields"]) == (alias, list(fields))


def assert_all_agree(oracle: Watched, alias: str) -> None:
    assert oracle.service.event("dissent_ended")["provider"] == alias
    oracle.recovers(preferred=None)
    assert oracle.metric("provider_dissents_total", provider=alias) == 1


@pytest.mark.parametrize("field", FORGERIES)
def test_one_of_three_that_keeps_the_true_hash_and_forges_a_field_never_moves_the_fee(
    field: str, node: Anvil, chain: Chain, proxy_to: ProxyTo
) -> None:
    liar = proxy_to(node)
    with watched({"liar": liar.url, "second": proxy_to(node).url, "third": proxy_to(node).url}) as oracle:
        liar.fault = FORGERIES[field]
        assert_one_dissents(oracle, "liar", field)
        head = int(node.rpc("eth_blockNumber"), 16)
        oracle.service.quote_for(head + 1)
        liar.fault = PASS
        assert_all_agree(oracle, "liar")
    chain.note()
    assert set(oracle.recorder.counts()) == {"fresh"}
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)


def test_one_of_three_with_a_consistent_chain_of_its_own_never_moves_the_fee(
    node: Anvil, chain: Chain, proxy_to: ProxyTo, start_anvil: StartAnvil
) -> None:
    false = start_anvil(block_time_seconds=1)
    for _ in range(20):
        false.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * FIRST_BASE_FEE))
        false.rpc("evm_mine")
    liar = proxy_to(node)
    with watched({"liar": liar.url, "second": proxy_to(node).url, "third": proxy_to(node).url}) as oracle:
        liar.retarget(false.port)
        wait_until(lambda: (oracle.provider("liar")["headNumber"] or 0) > 20, "the false chain's head")
        head = int(node.rpc("eth_blockNumber"), 16)
        oracle.service.quote_for(head + 2)
        liar.retarget(node.port)
        oracle.recovers(preferred=None)
    chain.note()
    assert set(oracle.recorder.counts()) == {"fresh"}
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)


def test_an_error_object_is_not_asked_for_again_before_the_next_poll(
    node: Anvil, chain: Chain, proxy_to: ProxyTo
) -> None:
    proxy = proxy_to(node)
    with watched({"only": proxy.url}) as oracle:
        polls_before = oracle.feed()["polls"]
        proxy.fault = refusing(-32000, "no head for you")
        wait_until(lambda: oracle.feed()["consecutiveFailures"] > 5, "failed polls")
        asked = sum(value for _, value in oracle.samples("rpc_requests_total") if _["result"] == "rpc_error")
        assert 5 < asked <= oracle.feed()["polls"] - polls_before
        proxy.fault = PASS
        oracle.recovers(preferred="only")
    chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)


def test_a_provider_that_goes_back_is_named_and_not_followed(start_anvil: StartAnvil) -> None:
    node = start_anvil(genesis_timestamp=now() - 60)
    node.mine(5, interval_seconds=1)
    before = node.rpc("evm_snapshot")
    for _ in range(3):
        node.mine_with_base_fee(FIRST_BASE_FEE, interval_seconds=1)
    node.mine_at(now())
    chain = Chain(node)
    with watched({"only": node.url}, TAIKO_QUOTE_STALE_AFTER_SECONDS="30", TAIKO_QUOTE_EXPIRES_AFTER_SECONDS="60") as (
        oracle
    ):
        chain.note()
        held = oracle.service.quote_for(9)
        node.rpc("evm_revert", before)
        back = oracle.service.event("head_went_back")
        assert (back["provider"], back["held_block"], back["block"]) == ("only", 9, 5)
        assert oracle.metric("l1_head_anomalies_total", kind="went_back") == 1
        assert (oracle.service.quote() or {})["quoteId"] == held["quoteId"]
        node.mine(5, interval_seconds=1)
        node.mine_at(now())
        oracle.service.quote_for(11)
        oracle.recovers(preferred="only")
        chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=30, reorgs=True)
