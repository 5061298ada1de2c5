"""Failover, fail-back and breakers of the feed, in virtual time: each failure with its recovery."""

import asyncio

import pytest

from app.engine.events import ProviderChanged, ProviderClosed, ProviderOpened
from app.engine.ports import HeadSighting, ProviderState
from tests.adapters.feed import ATTEMPT_SECONDS, HEAD_NUMBER, LiveNode, feed, forged, in_virtual_time, own

SLOT_SECONDS = 12


@in_virtual_time
async def test_the_next_provider_decides_until_the_first_ones_time_is_over() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        await l1.poll()
        first.failure = "http_status"
        await l1.poll()
        first.failure = None
        outcomes = await l1.polls(32)
        assert [each.provider for each in outcomes if isinstance(each, HeadSighting)] == ["p2"] * 30 + ["p1"] * 2
        assert l1.events.of(ProviderChanged) == [
            ProviderChanged("p2", "p1", "http_status"),
            ProviderChanged("p1", "p2", "recovered"),
        ]


@in_virtual_time
async def test_a_first_provider_that_still_fails_when_its_time_is_over_is_left_anew() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        first.failure = "unreachable"
        await l1.polls(40)
        first.failure = None
        started = l1.clock.monotonic()
        while (await l1.poll()).provider == "p2":
            assert l1.clock.monotonic() - started < 2 * 60
        assert l1.state_of("p1") is ProviderState.CLOSED


@in_virtual_time
async def test_who_was_left_is_used_at_once_where_nobody_else_is() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        first.failure = "http_status"
        await l1.poll()
        first.failure, second.failure = None, "unreachable"
        assert (await l1.poll()).provider == "p1"


@in_virtual_time
async def test_a_hanging_first_provider_costs_one_attempt_and_then_nothing() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        await l1.poll()
        first.failure = "timeout"
        started = l1.clock.monotonic()
        assert (await l1.source.latest()).provider == "p2"
        assert l1.clock.monotonic() - started <= ATTEMPT_SECONDS + 0.1
        started = l1.clock.monotonic()
        await l1.source.latest()
        assert l1.clock.monotonic() - started < 0.1


@in_virtual_time
@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_poll_of_silent_providers_ends_within_a_slot(count: int) -> None:
    nodes = [LiveNode(f"p{place}") for place in range(count)]
    async with feed(*nodes) as l1:
        for node in nodes:
            node.failure = "timeout"
        started = l1.clock.monotonic()
        assert (await l1.failed_poll()).reason == "timeout"
        assert l1.clock.monotonic() - started < SLOT_SECONDS


@in_virtual_time
async def test_at_the_deadline_the_next_provider_decides_and_the_slow_one_is_left() -> None:
    slow, second = LiveNode("p1", latency=1000), LiveNode("p2")
    async with feed(slow, second) as l1:
        started = l1.clock.monotonic()
        assert (await l1.source.latest()).provider == "p2"
        assert l1.clock.monotonic() - started < SLOT_SECONDS
        started = l1.clock.monotonic()
        assert (await l1.source.latest()).provider == "p2"
        assert l1.clock.monotonic() - started < 0.1


@in_virtual_time
async def test_a_provider_is_not_asked_again_while_a_call_to_it_is_under_way() -> None:
    first, slow = LiveNode("p1"), LiveNode("p2", latency=5)
    async with feed(first, slow) as l1:
        await l1.polls(20)
        assert slow.most_in_flight == 1
        assert l1.source.view.providers[1].head_number == HEAD_NUMBER


@in_virtual_time
async def test_a_provider_that_keeps_failing_is_left_alone_probed_once_and_taken_back() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        await l1.poll()
        second.failure = "http_status"
        await l1.polls(3)
        assert l1.events.of(ProviderOpened) == [ProviderOpened("p2", "http_status", 5.0)]
        assert l1.state_of("p2") is ProviderState.OPEN
        second.calls.clear()
        await l1.polls(2)
        assert second.calls == []
        await l1.polls(1)
        assert second.calls == ["eth_chainId"]
        second.failure = None
        await l1.polls(6)
        assert l1.events.of(ProviderClosed) == [ProviderClosed("p2")]
        assert l1.state_of("p2") is ProviderState.CLOSED
        assert (await l1.poll()).agreeing == 2


@in_virtual_time
async def test_the_last_usable_provider_is_asked_at_every_poll_whatever_its_breaker_says() -> None:
    node = LiveNode("p1")
    async with feed(node) as l1:
        await l1.poll()
        node.failure = "http_status"
        node.calls.clear()
        await l1.polls(20)
        assert len(node.calls) == 20
        node.failure = None
        assert (await l1.poll()).header.number == HEAD_NUMBER
        assert l1.events.of(ProviderClosed) == [ProviderClosed("p1")]


@in_virtual_time
async def test_with_every_breaker_open_the_best_and_the_last_good_one_are_asked_at_every_poll() -> None:
    nodes = [LiveNode("p1"), LiveNode("p2"), LiveNode("p3")]
    async with feed(*nodes, quorum=1) as l1:
        nodes[0].failure = "http_status"
        await l1.polls(5)
        nodes[2].failure = "http_status"
        await l1.polls(5)
        nodes[1].failure = "http_status"
        await l1.polls(5)
        for node in nodes:
            node.calls.clear()
        await l1.polls(2)
        assert len(nodes[0].calls) == len(nodes[1].calls) == 2
        nodes[1].failure = None
        assert (await l1.poll()).provider == "p2"


@in_virtual_time
async def test_after_an_outage_of_all_the_next_poll_has_a_head() -> None:
    nodes = [LiveNode("p1"), LiveNode("p2"), LiveNode("p3")]
    async with feed(*nodes) as l1:
        await l1.poll()
        for node in nodes:
            node.failure = "unreachable"
        await l1.polls(60)
        for node in nodes:
            node.failure = None
        assert (await l1.poll()).header.number == HEAD_NUMBER


@in_virtual_time
@pytest.mark.parametrize(
    ("reason", "attempts"), [("unreachable", 2), ("timeout", 1), ("rpc_error", 1), ("http_status", 1)]
)
async def test_only_a_broken_connection_is_tried_again_at_the_same_provider(reason: str, attempts: int) -> None:
    node = LiveNode("p1")
    async with feed(node) as l1:
        await l1.poll()
        node.failure = reason
        node.calls.clear()
        assert (await l1.failed_poll()).reason == reason
        assert len(node.calls) == attempts


@in_virtual_time
async def test_the_chain_id_is_checked_again_at_every_change_of_provider() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        await l1.poll()
        second.chain_id = 5
        await l1.poll()
        first.failure = "http_status"
        failure = await l1.failed_poll()
        assert "p2: wrong_chain: expected chain id 1, got 5" in str(failure)
        second.chain_id = 1
        assert (await l1.poll()).provider == "p2"


@in_virtual_time
async def test_a_head_that_does_not_go_on_from_ours_makes_its_giver_prove_its_chain_id_anew() -> None:
    turned, spare = LiveNode("p1"), LiveNode("p2")
    async with feed(turned, spare) as l1:
        await l1.poll()
        turned.mine()
        turned.calls.clear()
        await l1.poll()
        assert "eth_chainId" not in turned.calls, "a head that goes on from ours proves enough"
        turned.chain_id = 5
        turned.mine(HEAD_NUMBER + 9)
        assert (await l1.poll()).provider == "p2"
        assert l1.source.view.providers[0].failure_reason == "wrong_chain"


@in_virtual_time
async def test_an_unknown_chain_id_is_the_one_that_a_quorum_is_on_and_then_holds() -> None:
    stray, second, third = LiveNode("p1", chain_id=5), LiveNode("p2"), LiveNode("p3", latency=0.5)
    async with feed(stray, second, third, chain_id=None) as l1:
        assert (await l1.poll()).provider == "p2"
        assert await l1.source.chain_id() == 1
        stray.failure = None
        await l1.polls(3)
        assert l1.source.view.providers[0].failure_reason == "wrong_chain"


@in_virtual_time
async def test_without_a_quorum_on_one_chain_there_is_no_chain_id() -> None:
    nodes = [LiveNode(f"p{place}", chain_id=place) for place in (1, 2, 3)]
    async with feed(*nodes, chain_id=None) as l1:
        failure = await l1.failed_poll()
        assert failure.reason == "no_quorum"
        assert "p2 is on chain 2" in failure.detail
        nodes[2].chain_id = 1
        await l1.poll()


@in_virtual_time
async def test_a_first_provider_whose_head_stands_while_anothers_goes_on_is_left() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    async with feed(first, second) as l1:
        for _ in range(4):
            second.mine()
            await l1.polls(6)
        assert (await l1.poll()).header.number == second.head.number
        assert l1.events.of(ProviderChanged)[0] == ProviderChanged("p2", "p1", "lagging")
        first.mine(second.head.number)
        await l1.polls(40)
        assert (await l1.poll()).provider == "p1"


@in_virtual_time
async def test_a_rejected_head_is_not_given_again_and_its_provider_comes_back_with_another() -> None:
    liar, honest = LiveNode("p1"), LiveNode("p2")
    liar.forge(own())
    async with feed(liar, honest) as l1:
        lie = await l1.poll()
        assert lie.provider == "p1"
        assert l1.source.reject(lie, "rejected_header")
        assert l1.events.of(ProviderOpened) == [ProviderOpened("p1", "rejected_header", 60.0)]
        liar.calls.clear()
        truth = await l1.poll()
        assert (truth.provider, truth.header) == ("p2", honest.head)
        assert await l1.source.by_hash(honest.head.hash) == honest.head
        assert liar.calls == []
        await l1.polls(35)
        assert "latest" in liar.calls
        assert l1.state_of("p1") is ProviderState.OPEN
        liar.mine(HEAD_NUMBER + 1)
        await l1.polls(70)
        assert l1.state_of("p1") is ProviderState.CLOSED
        assert (await l1.poll()).provider == "p1"


@in_virtual_time
async def test_rejecting_the_only_provider_leaves_it_in_use_since_there_is_nobody_else() -> None:
    node = LiveNode("p1")
    node.forge(forged(gas_used=1))
    async with feed(node) as l1:
        for _ in range(5):
            assert not l1.source.reject(await l1.poll(), "rejected_header")
        assert [each.failure_reason for each in l1.source.view.providers] == ["rejected_header"]
        node.mine()
        assert (await l1.poll()).header == node.head
        assert [each.failure_reason for each in l1.source.view.providers] == [None]
        assert l1.events.of(ProviderOpened) == []


@in_virtual_time
async def test_a_liar_is_left_out_once_another_provider_is_back() -> None:
    liar, honest = LiveNode("p1"), LiveNode("p2")
    liar.forge(own())
    async with feed(liar, honest) as l1:
        honest.failure = "http_status"
        await l1.polls(5)
        assert not l1.source.reject(await l1.poll(), "rejected_header")
        honest.failure = None
        await l1.polls(10)
        assert l1.source.reject(await l1.poll(), "rejected_header")
        assert (await l1.poll()).provider == "p2"


@in_virtual_time
async def test_a_call_under_way_is_given_up_when_the_source_is_closed() -> None:
    node = LiveNode("p1", latency=1000)
    async with feed(LiveNode("p0"), node) as l1:
        await l1.poll()
        assert node.in_flight == 1
        await l1.source.close()
        await asyncio.sleep(0)
        assert node.in_flight == 0
