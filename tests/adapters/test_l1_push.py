"""Pushed heads in the feed, in virtual time."""

import asyncio

from app.domain.units import UnixSeconds
from app.engine.events import ProviderOpened, SubscriptionBegan, SubscriptionEnded
from app.engine.ports import UpstreamError
from tests.adapters.feed import HEAD_NUMBER, Feed, LiveNode, PushingLiveNode, feed, forged, in_virtual_time, own


async def news_comes(l1: Feed, within_seconds: float = 1.0) -> bool:
    try:
        async with asyncio.timeout(within_seconds):
            await l1.source.news()
    except TimeoutError:
        return False
    return True


@in_virtual_time
async def test_a_pushed_head_is_news_and_is_used_without_asking_again() -> None:
    node = PushingLiveNode("p1")
    async with feed(node) as l1:
        await l1.poll()
        assert not await news_comes(l1)
        node.calls.clear()
        pushed = node.push()
        assert await news_comes(l1, 0.2)
        assert (await l1.source.latest()).header == pushed
        assert node.calls == []
        assert not await news_comes(l1)


@in_virtual_time
async def test_the_poll_after_that_asks_again() -> None:
    node = PushingLiveNode("p1")
    async with feed(node) as l1:
        await l1.poll()
        node.push()
        await l1.poll()
        node.calls.clear()
        node.mine()
        assert (await l1.poll()).header == node.head


@in_virtual_time
async def test_a_head_that_a_poll_has_seen_is_no_news() -> None:
    node = PushingLiveNode("p1")
    async with feed(node) as l1:
        node.mine()
        await l1.poll()
        assert node.listener is not None
        node.listener.pushed(node.head)
        assert not await news_comes(l1)


@in_virtual_time
async def test_with_a_quorum_a_pushed_head_waits_for_another_provider() -> None:
    nodes = [PushingLiveNode("p1"), PushingLiveNode("p2"), PushingLiveNode("p3")]
    async with feed(*nodes) as l1:
        await l1.poll()
        first = nodes[0].push()
        assert await news_comes(l1, 0.2)
        assert (await l1.source.latest()).header.number == HEAD_NUMBER
        nodes[1].push()
        assert await news_comes(l1, 0.2)
        assert (await l1.source.latest()).header == first


@in_virtual_time
async def test_a_flood_of_pushes_makes_no_flood_of_polls() -> None:
    node = PushingLiveNode("p1")
    async with feed(node) as l1:
        await l1.poll()
        started, polls = l1.clock.monotonic(), 0
        while l1.clock.monotonic() - started < 1:
            for _ in range(50):
                node.push()
            await l1.source.news()
            await l1.source.latest()
            polls += 1
        assert polls <= 11


@in_virtual_time
async def test_a_push_from_a_node_whose_chain_is_unchecked_makes_a_poll_check_it() -> None:
    node = PushingLiveNode("p1")
    async with feed(node) as l1:
        await l1.poll()
        node.resubscribe()
        node.chain_id = 5
        node.push()
        assert await news_comes(l1, 0.2)
        assert (await l1.failed_poll()).reason == "wrong_chain"


@in_virtual_time
async def test_a_malformed_push_is_the_providers_failure() -> None:
    node = PushingLiveNode("p1")
    async with feed(node, LiveNode("p2")) as l1:
        await l1.poll()
        assert node.listener is not None
        for _ in range(3):
            node.listener.push_failed(UpstreamError("p1", "invalid_header", "newHeads: no object"))
        assert l1.events.of(ProviderOpened) == [ProviderOpened("p1", "invalid_header", 5.0)]
        assert (await l1.poll()).provider == "p2"


@in_virtual_time
async def test_a_distrusted_providers_pushes_are_ignored() -> None:
    liar = PushingLiveNode("p1")
    liar.forge(own())
    async with feed(liar, LiveNode("p2")) as l1:
        assert l1.source.reject(await l1.poll(), "rejected_header")
        liar.push()
        assert not await news_comes(l1)
        assert (await l1.poll()).provider == "p2"


@in_virtual_time
async def test_a_subscription_is_shown_while_it_lives() -> None:
    async with feed(PushingLiveNode("p1"), LiveNode("p2")) as l1:
        assert l1.events.of(SubscriptionBegan) == [SubscriptionBegan("p1")]
        shown = [(each.transport, each.subscribed) for each in l1.source.view.providers]
        assert shown == [("websocket", True), ("http", None)]


@in_virtual_time
async def test_a_subscription_that_is_silent_while_the_chain_goes_on_is_made_anew_within_seconds() -> None:
    silent, other = PushingLiveNode("p1"), LiveNode("p2")
    async with feed(silent, other) as l1:
        await l1.polls(2)
        silent.mine()
        other.mine()
        await l1.polls(4)
        assert l1.events.of(SubscriptionEnded) == [SubscriptionEnded("p1", "silent")]
        assert silent.resubscriptions == 1
        await l1.polls(10)
        assert silent.resubscriptions == 1


@in_virtual_time
async def test_a_chain_that_stands_and_pushes_that_come_make_no_subscription_silent() -> None:
    node, other = PushingLiveNode("p1"), LiveNode("p2")
    async with feed(node, other) as l1:
        await l1.polls(10)
        for _ in range(10):
            node.push()
            other.mine()
            await l1.polls(6)
        assert node.resubscriptions == 0


@in_virtual_time
async def test_a_source_without_subscriptions_runs_until_it_is_cancelled() -> None:
    async with feed(LiveNode("p1")) as l1:
        running = asyncio.create_task(l1.source.run())
        await l1.polls(2)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()


@in_virtual_time
async def test_a_pushed_head_from_the_future_is_judged_like_any_other() -> None:
    node = PushingLiveNode("p1")
    async with feed(node, LiveNode("p2")) as l1:
        await l1.poll()
        future = forged(HEAD_NUMBER + 1, timestamp=UnixSeconds(l1.clock.true_now() // 1000 + 3600))
        assert node.listener is not None
        node.listener.pushed(future)
        assert (await l1.source.latest()).header == future
