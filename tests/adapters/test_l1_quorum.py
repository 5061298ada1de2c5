"""The quorum of the feed, in virtual time: whole headers of distinct providers, lag, dissent and witnesses."""

from dataclasses import fields
from typing import Any

import pytest

from app.adapters.l1 import L1HeaderSource
from app.adapters.nodes import NodeGroup
from app.domain.errors import InvalidValueError
from app.domain.header import L1Header
from app.domain.units import BlockNumber, Gas
from app.engine.events import DissentBegan, DissentEnded, ProviderChanged
from app.engine.ports import UpstreamError
from tests.adapters.fake_nodes import block_hash, header
from tests.adapters.feed import HEAD_NUMBER, LiveNode, clock_at_the_head, feed, forged, in_virtual_time, own

FORGERIES: dict[str, Any] = {
    "parent_hash": block_hash(7),
    "timestamp": header(HEAD_NUMBER).timestamp - 1,
    "base_fee_per_gas": 1,
    "gas_limit": 30_000_000,
    "gas_used": 1,
}


def three(*, latency: float = 0.05) -> tuple[LiveNode, LiveNode, LiveNode]:
    return LiveNode("p1", latency=latency), LiveNode("p2", latency=latency), LiveNode("p3", latency=latency)


def test_every_field_but_number_and_hash_is_forged() -> None:
    assert set(FORGERIES) == {field.name for field in fields(L1Header)} - {"number", "hash"}


@pytest.mark.parametrize("field", FORGERIES)
@pytest.mark.parametrize("liar", [0, 1, 2])
@in_virtual_time
async def test_a_liar_that_keeps_the_true_hash_never_decides_and_is_named(liar: int, field: str) -> None:
    nodes = three()
    nodes[liar].forge(forged(HEAD_NUMBER, **{field: FORGERIES[field]}))
    async with feed(*nodes) as l1:
        for _ in range(5):
            sighting = await l1.poll()
            assert sighting.header == header(HEAD_NUMBER)
            assert sighting.agreeing == 2
        alias = nodes[liar].alias
        assert l1.events.of(DissentBegan) == [DissentBegan(alias, HEAD_NUMBER, (field,))]
        assert [each.dissenting for each in l1.source.view.providers] == [place == liar for place in range(3)]


@pytest.mark.parametrize("latencies", [(0.01, 0.3, 0.3), (0.3, 0.01, 0.3), (0.3, 0.3, 0.01), (1.9, 1.9, 0.01)])
@pytest.mark.parametrize("liar", [0, 1, 2])
@in_virtual_time
async def test_a_liar_ahead_of_all_never_decides_however_quick(liar: int, latencies: tuple[float, ...]) -> None:
    nodes = [LiveNode(f"p{place}", latency=latency) for place, latency in enumerate(latencies)]
    async with feed(*nodes) as l1:
        await l1.poll()
        for node in nodes:
            node.mine()
        nodes[liar].forge(own(HEAD_NUMBER + 1))
        nodes[liar].mine(HEAD_NUMBER + 5)
        heads = [each.header for each in await l1.polls(4) if not isinstance(each, UpstreamError)]
        assert set(heads) <= {header(HEAD_NUMBER), header(HEAD_NUMBER + 1)}
        assert heads[-1] == header(HEAD_NUMBER + 1)


@in_virtual_time
async def test_dissent_ends_when_the_provider_agrees_again() -> None:
    nodes = three()
    nodes[1].forge(own())
    async with feed(*nodes) as l1:
        await l1.polls(2)
        assert l1.events.of(DissentBegan) == [DissentBegan("p2", HEAD_NUMBER, ("hash",))]
        nodes[1].forge(header(HEAD_NUMBER))
        await l1.polls(2)
        assert l1.events.of(DissentEnded) == [DissentEnded("p2")]
        assert not any(each.dissenting for each in l1.source.view.providers)


@in_virtual_time
async def test_with_two_providers_the_first_decides_and_dissent_is_named_all_the_same() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    second.forge(forged(gas_used=Gas(1)))
    async with feed(first, second) as l1:
        sightings = [await l1.poll() for _ in range(3)]
        assert {(each.header, each.agreeing) for each in sightings} == {(header(HEAD_NUMBER), 1)}
        assert l1.events.of(DissentBegan) == [DissentBegan("p2", HEAD_NUMBER, ("gas_used",))]


@in_virtual_time
async def test_after_a_rejection_the_liar_is_the_dissenter_and_not_the_honest_one() -> None:
    liar, honest = LiveNode("p1"), LiveNode("p2")
    liar.forge(own())
    async with feed(liar, honest) as l1:
        await l1.poll()
        l1.source.reject(await l1.poll(), "rejected_header")
        await l1.polls(2)
        assert [each.dissenting for each in l1.source.view.providers] == [True, False]


@in_virtual_time
async def test_two_that_must_agree_and_do_not_are_no_quorum_and_who_said_what_is_named() -> None:
    first, second = LiveNode("p1"), LiveNode("p2")
    second.forge(own())
    async with feed(first, second, quorum=2) as l1:
        failure = await l1.failed_poll()
        assert (failure.provider, failure.reason) == ("p1", "no_quorum")
        assert f"p1 gives {HEAD_NUMBER} (0x00000000…); p2 gives {HEAD_NUMBER} (0x00090000…)" in failure.detail
        assert l1.events.of(DissentBegan) == [DissentBegan("p2", HEAD_NUMBER, ("hash",))]
        second.forge(header(HEAD_NUMBER))
        assert (await l1.poll()).agreeing == 2
        assert l1.events.of(DissentEnded) == [DissentEnded("p2")]


@in_virtual_time
async def test_one_that_is_left_of_three_decides_nothing_and_the_failures_are_named() -> None:
    nodes = three()
    nodes[0].failure = nodes[2].failure = "http_status"
    async with feed(*nodes) as l1:
        failure = await l1.failed_poll()
        assert (failure.provider, failure.reason) == ("p1", "no_quorum")
        assert "p2 gives 100" in failure.detail
        assert "p1: http_status: as told" in failure.detail
        await l1.polls(10)
        nodes[2].failure = None
        assert (await l1.poll()).header == header(HEAD_NUMBER)


@in_virtual_time
async def test_where_nobody_answers_the_first_failure_stands() -> None:
    nodes = three()
    for node in nodes:
        node.failure = "http_status"
    async with feed(*nodes) as l1:
        assert (await l1.failed_poll()).reason == "http_status"


@in_virtual_time
async def test_the_newest_header_that_two_know_wins_where_all_lag_differently() -> None:
    nodes = three()
    nodes[1].mine(HEAD_NUMBER + 1)
    nodes[2].mine(HEAD_NUMBER + 2)
    async with feed(*nodes) as l1:
        sighting = await l1.poll()
        assert sighting.header == header(HEAD_NUMBER + 1)
        assert sighting.provider == "p2"
        assert l1.events.of(DissentBegan) == []


@in_virtual_time
async def test_a_liar_ahead_cannot_vouch_for_a_false_block_below() -> None:
    nodes = three()
    nodes[2].failure = "http_status"
    nodes[1].mine(HEAD_NUMBER + 1)
    nodes[1].forge(own())
    async with feed(*nodes) as l1:
        assert (await l1.failed_poll()).reason == "no_quorum"


@in_virtual_time
async def test_a_provider_that_is_far_behind_is_no_reason_to_go_back() -> None:
    nodes = three()
    nodes[2].failure = "http_status"
    nodes[0].mine(HEAD_NUMBER + 100)
    async with feed(*nodes) as l1:
        assert (await l1.failed_poll()).reason == "no_quorum"


@in_virtual_time
async def test_two_that_agree_do_not_wait_for_the_third() -> None:
    nodes = three()
    async with feed(*nodes) as l1:
        nodes[0].failure = "timeout"
        started = l1.clock.monotonic()
        await l1.source.latest()
        assert l1.clock.monotonic() - started < 0.3


@in_virtual_time
async def test_a_slow_honest_provider_still_counts_against_a_liar_that_lags() -> None:
    quick, liar, slow = LiveNode("p1"), LiveNode("p2"), LiveNode("p3", latency=0.9)
    async with feed(quick, liar, slow) as l1:
        await l1.polls(3)
        for _ in range(3):
            quick.mine()
            slow.mine()
            await l1.polls(3)
            assert (await l1.poll()).header == quick.head


@in_virtual_time
async def test_a_witness_is_a_provider_whose_own_head_it_is_now() -> None:
    nodes = [LiveNode("p1"), LiveNode("p2"), LiveNode("p3")]
    async with feed(*nodes, quorum=1) as l1:
        await l1.polls(2)
        assert (await l1.poll()).agreeing == 3
        nodes[1].failure = "timeout"
        nodes[0].mine()
        await l1.polls(3)
        assert (await l1.poll()).agreeing == 1
        nodes[2].mine()
        await l1.polls(1)
        assert (await l1.poll()).agreeing == 2


@in_virtual_time
async def test_a_reorg_is_followed_when_a_quorum_follows_it_and_its_dissent_is_short() -> None:
    nodes = three()
    async with feed(*nodes) as l1:
        await l1.poll()
        nodes[0].forge(own())
        assert (await l1.poll()).header == header(HEAD_NUMBER)
        nodes[1].forge(own())
        assert (await l1.poll()).header == own()
        nodes[2].forge(own())
        await l1.polls(2)
        assert [each.provider for each in l1.events.of(DissentBegan)] == ["p1", "p3"]
        assert [each.provider for each in l1.events.of(DissentEnded)] == ["p1", "p3"]


@in_virtual_time
async def test_the_named_provider_stays_while_it_is_among_those_that_agree() -> None:
    nodes = three()
    async with feed(*nodes) as l1:
        nodes[0].failure = "http_status"
        await l1.polls(2)
        nodes[0].failure = None
        await l1.polls(5)
        assert l1.events.of(ProviderChanged) == [ProviderChanged("p2", "p1", "http_status")]


@in_virtual_time
async def test_who_is_merely_slower_at_times_goes_on_being_the_one_named() -> None:
    nodes = three()
    async with feed(*nodes) as l1:
        await l1.poll()
        for slow in (0, 1, 2, 0, 1, 2):
            for node in nodes:
                node.mine()
                node.latency = 0.05
            nodes[slow].latency = 0.4
            await l1.polls(4)
        assert l1.events.of(ProviderChanged) == []


class TestOlderHeaders:
    @in_virtual_time
    async def test_need_a_quorum_too(self) -> None:
        nodes = three()
        nodes[0].forge(forged(95, base_fee_per_gas=1))
        async with feed(*nodes) as l1:
            await l1.poll()
            assert await l1.source.by_number(BlockNumber(95)) == header(95)
            assert await l1.source.by_hash(block_hash(95)) == header(95)

    @in_virtual_time
    async def test_are_asked_of_no_more_providers_than_must_agree(self) -> None:
        nodes = three()
        async with feed(*nodes) as l1:
            await l1.poll()
            await l1.source.by_hash(block_hash(95))
            assert [node.calls.count(block_hash(95)) for node in nodes] == [1, 1, 0]

    @in_virtual_time
    async def test_that_a_liar_alone_has_are_missing(self) -> None:
        nodes = three()
        nodes[1].forge(own(95))
        async with feed(*nodes) as l1:
            await l1.poll()
            with pytest.raises(UpstreamError, match="missing_block"):
                await l1.source.by_hash(own(95).hash)

    @in_virtual_time
    async def test_that_no_two_agree_on_are_no_quorum(self) -> None:
        nodes = three()
        nodes[1].forge(forged(95, gas_used=1))
        nodes[2].forge(forged(95, gas_used=2))
        async with feed(*nodes) as l1:
            await l1.poll()
            with pytest.raises(UpstreamError, match=r"no_quorum: 2 must agree: p1 gives 95 .*; p2 gives 95"):
                await l1.source.by_number(BlockNumber(95))

    @in_virtual_time
    async def test_that_nobody_has_are_missing(self) -> None:
        async with feed(*three()) as l1:
            await l1.poll()
            with pytest.raises(UpstreamError, match="missing_block"):
                await l1.source.by_number(BlockNumber(5000))

    @in_virtual_time
    async def test_come_although_a_provider_hangs(self) -> None:
        nodes = three()
        async with feed(*nodes) as l1:
            await l1.poll()
            nodes[1].failure = "timeout"
            assert await l1.source.by_hash(block_hash(95)) == header(95)

    @in_virtual_time
    async def test_that_a_node_lacks_open_no_breaker(self) -> None:
        async with feed(LiveNode("p1")) as l1:
            await l1.poll()
            for _ in range(10):
                with pytest.raises(UpstreamError, match="missing_block"):
                    await l1.source.by_number(BlockNumber(5000))
            assert l1.source.view.providers[0].state.value == "closed"


@pytest.mark.parametrize("quorum", [0, 3])
@in_virtual_time
async def test_a_quorum_that_cannot_be_reached_is_refused(quorum: int) -> None:
    group = NodeGroup([LiveNode("p1"), LiveNode("p2")], 1)
    with pytest.raises(InvalidValueError, match="TAIKO_L1_QUORUM"):
        L1HeaderSource(group, lambda _: None, clock=clock_at_the_head(), quorum=quorum)
