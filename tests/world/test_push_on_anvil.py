"""Pushed heads of a real node: published at once, and recovered from a freeze, a restart and a death."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.adapters.clock import SystemClock
from app.adapters.l1 import L1HeaderSource
from app.adapters.node_client import node_client
from app.adapters.nodes import NodeGroup
from app.engine.events import Event, ProviderChanged, SubscriptionBegan, SubscriptionEnded
from app.engine.ports import Endpoint, HeadSighting, UpstreamError
from tests.world.anvil import Anvil
from tests.world.conftest import StartAnvil

CHAIN_ID = 31337
TIMEOUT_SECONDS = 1.5
POLL_SECONDS = 2.0
PATIENCE_SECONDS = 30.0


@dataclass
class Watch:
    """A source that is polled as the engine does: at each interval, and whenever there is news."""

    source: L1HeaderSource
    events: list[Event] = field(default_factory=list)
    seen: list[tuple[float, HeadSighting]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, event: Event) -> None:
        self.events.append(event)
        self.changed.set()

    async def run(self) -> None:
        while True:
            try:
                sighting = await self.source.latest()
            except UpstreamError:
                await asyncio.sleep(POLL_SECONDS)
                continue
            self.seen.append((time.monotonic(), sighting))
            self.changed.set()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self.source.news()
            except TimeoutError:
                pass

    async def until(self, event: Event, count: int = 1) -> float:
        """When this event came for the `count`th time."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.events.count(event) < count:
                self.changed.clear()
                await self.changed.wait()
        return time.monotonic()

    async def until_block(self, number: int) -> tuple[float, HeadSighting]:
        """When a poll first gave this block or a later one, and what it gave."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := [each for each in self.seen if each[1].header.number >= number]):
                self.changed.clear()
                await self.changed.wait()
        return found[0]


@asynccontextmanager
async def watching(*urls: str) -> AsyncIterator[Watch]:
    clock = SystemClock()
    events: list[Event] = []
    watches: list[Watch] = []

    def observe(event: Event) -> None:
        for watch in watches:
            watch.observe(event)

    nodes = [
        node_client(Endpoint(f"p{place}", url), TIMEOUT_SECONDS, observe, clock.monotonic)
        for place, url in enumerate(urls, 1)
    ]
    source = L1HeaderSource(
        NodeGroup(nodes, CHAIN_ID), observe, clock=clock, quorum=1, poll_interval_seconds=POLL_SECONDS
    )
    watch = Watch(source, events)
    watches.append(watch)
    tasks = [asyncio.create_task(source.run()), asyncio.create_task(watch.run())]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await source.close()
        for node in nodes:
            await node.close()


def pushed_url(node: Anvil) -> str:
    return node.url.replace("http://", "ws://")


async def test_a_pushed_head_is_there_at_once(anvil: Anvil) -> None:
    async with watching(pushed_url(anvil)) as watch:
        await watch.until(SubscriptionBegan("p1"))
        for _ in range(3):
            await asyncio.sleep(0.3)
            number = int((await asyncio.to_thread(anvil.mine))["number"], 16)
            mined = time.monotonic()
            came, sighting = await watch.until_block(number)
            assert came - mined < 0.5
            assert sighting.header.number == number


async def test_a_frozen_node_is_noticed_within_seconds_and_pushes_again_after_its_thaw(anvil: Anvil) -> None:
    async with watching(pushed_url(anvil)) as watch:
        await watch.until(SubscriptionBegan("p1"))
        anvil.freeze()
        frozen = time.monotonic()
        try:
            assert await watch.until(SubscriptionEnded("p1", "frozen")) - frozen < 6
        finally:
            anvil.thaw()
        thawed = time.monotonic()
        assert await watch.until(SubscriptionBegan("p1"), count=2) - thawed < 8
        number = int((await asyncio.to_thread(anvil.mine))["number"], 16)
        await watch.until_block(number)


async def test_a_node_that_restarts_is_subscribed_to_again(start_anvil: StartAnvil) -> None:
    node = start_anvil()
    async with watching(pushed_url(node)) as watch:
        await watch.until(SubscriptionBegan("p1"))
        node.kill()
        await watch.until(SubscriptionEnded("p1", "closed"))
        restarted = start_anvil(port=node.port)
        began = time.monotonic()
        assert await watch.until(SubscriptionBegan("p1"), count=2) - began < 8
        number = int((await asyncio.to_thread(restarted.mine, 2))["number"], 16)
        await watch.until_block(number)


async def test_the_death_of_the_first_node_costs_a_second_where_the_next_one_pushes(start_anvil: StartAnvil) -> None:
    first, second = start_anvil(genesis_timestamp=1_700_000_000), start_anvil(genesis_timestamp=1_700_000_000)
    async with watching(pushed_url(first), pushed_url(second)) as watch:
        await watch.until(SubscriptionBegan("p1"))
        await watch.until(SubscriptionBegan("p2"))
        await watch.until_block(0)
        first.kill()
        number = int((await asyncio.to_thread(second.mine))["number"], 16)
        mined = time.monotonic()
        came, sighting = await watch.until_block(number)
        assert came - mined < 1
        assert sighting.provider == "p2"
        changes = [event for event in watch.events if isinstance(event, ProviderChanged)]
        assert [(change.provider, change.instead_of) for change in changes] == [("p2", "p1")]
