"""The network between the oracle and its providers breaks, in each way that it can, and is mended."""

import threading
from collections.abc import Mapping

import pytest

from tests.service import wait_until
from tests.world.anvil import Anvil
from tests.world.reliability.conftest import ProxyTo
from tests.world.reliability.failovers import FAILBACK_SECONDS, NETWORK_CASES, STALE_AFTER_SECONDS, Case, Outcome
from tests.world.reliability.forgeries import without_pushes
from tests.world.reliability.watched import Chain, Watched, watched, web_socket_url

PUSHED = {"TAIKO_POLL_INTERVAL_SECONDS": "1"}
NOTICED_WITHIN_SECONDS = 6


@pytest.mark.parametrize("case", NETWORK_CASES, ids=lambda case: case.name)
def test_a_preferred_provider_that_fails_is_left_at_once_and_gone_back_to_after_a_minute(
    case: Case, failovers: Mapping[str, Outcome]
) -> None:
    outcome = failovers[case.name]
    assert outcome.left.get("provider") == "spare"
    assert outcome.left["reason"] in case.reasons
    assert [change["reason"] for change in outcome.back] == ["recovered"]
    assert FAILBACK_SECONDS < outcome.seconds_away < FAILBACK_SECONDS + 15
    assert outcome.traces == []
    assert set(outcome.recorder.counts()) == {"fresh"}, "the spare took over before anything was stale"
    outcome.recorder.assert_honest(outcome.chain.blocks, stale_after_seconds=STALE_AFTER_SECONDS)


def subscription_ends(oracle: Watched, reason: str) -> None:
    ended = oracle.service.event("subscription_ended", seconds=NOTICED_WITHIN_SECONDS)
    assert ended["reason"] == reason


def subscription_begins_anew(oracle: Watched) -> None:
    wait_until(lambda: len(oracle.service.events("subscription_began")) > 1, "another subscription")
    oracle.recovers(preferred="only")
    losses = oracle.samples("provider_subscription_losses_total")
    assert sum(value for _, value in losses) == 1, losses


def test_a_web_socket_that_was_cut_is_made_anew(node: Anvil, chain: Chain, proxy_to: ProxyTo) -> None:
    proxy = proxy_to(node)
    with watched({"only": web_socket_url(proxy)}, **PUSHED) as oracle:
        oracle.recovers(preferred="only")
        proxy.cut()
        subscription_ends(oracle, "closed")
        subscription_begins_anew(oracle)
    chain.note()
    assert set(oracle.recorder.counts()) == {"fresh"}
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)


def test_a_web_socket_whose_node_is_frozen_is_given_up_within_seconds_and_made_anew(node: Anvil, chain: Chain) -> None:
    with watched({"only": node.url.replace("http:", "ws:")}, **PUSHED) as oracle:
        oracle.recovers(preferred="only")
        node.freeze()
        subscription_ends(oracle, "frozen")
        node.thaw()
        subscription_begins_anew(oracle)
    chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)


def test_a_subscription_that_says_nothing_is_noticed_while_polls_go_on_and_made_anew(
    node: Anvil, chain: Chain, proxy_to: ProxyTo
) -> None:
    proxy, muted = proxy_to(node), threading.Event()
    proxy.fault = without_pushes(muted)
    with watched({"only": web_socket_url(proxy)}, **PUSHED) as oracle:
        oracle.recovers(preferred="only")
        muted.set()
        subscription_ends(oracle, "silent")
        muted.clear()
        subscription_begins_anew(oracle)
    chain.note()
    assert set(oracle.recorder.counts()) == {"fresh"}, "the polls filled the gap"
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=4)
