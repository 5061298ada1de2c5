"""The host's clock against what providers and heads say, and heads from the future, in virtual time."""

from dataclasses import replace

from app.adapters.nodes import Dated
from app.domain.units import UnixSeconds
from app.engine.events import ClockMeasured, ClockSkewed, HeadInFuture
from tests.adapters.fake_nodes import header
from tests.adapters.feed import HEAD_NUMBER, Feed, LiveNode, feed, forged, in_virtual_time

AN_HOUR = 3600
OTHER_CHAIN = 31337


class DatedNode(LiveNode):
    """A node whose answers say what time it is, right but for `wrong_by` seconds."""

    def __init__(self, alias: str, *, wrong_by: int = 0, chain_id: int = 1) -> None:
        super().__init__(alias, chain_id=chain_id)
        self.wrong_by = wrong_by
        self.l1: Feed | None = None

    async def call(self, method: str, params: list[object]) -> object:
        try:
            return await super().call(method, params)
        finally:
            if self.l1 is not None:
                clock = self.l1.clock
                date = UnixSeconds(clock.true_now() // 1000 + self.wrong_by)
                self.dated = Dated(date, clock.monotonic() - self.latency, clock.monotonic())


def dated(l1: Feed) -> None:
    for node in l1.nodes:
        if isinstance(node, DatedNode):
            node.l1 = l1


@in_virtual_time
async def test_a_right_clock_is_measured_as_right() -> None:
    async with feed(DatedNode("p1"), DatedNode("p2")) as l1:
        dated(l1)
        await l1.polls(40)
        offset = l1.source.view.clock_offset_millis
        assert offset is not None
        assert abs(offset) < 600
        assert l1.events.of(ClockSkewed) == []
        assert 1 <= len(l1.events.of(ClockMeasured)) <= 10


@in_virtual_time
async def test_a_clock_that_steps_is_noticed_at_the_next_poll_and_so_is_its_return() -> None:
    async with feed(DatedNode("p1")) as l1:
        dated(l1)
        await l1.polls(5)
        for skew in (60_000, 0, -60_000, 0):
            l1.clock.skew_millis = skew
            await l1.polls(1)
            offset = l1.source.view.clock_offset_millis
            assert offset is not None
            assert abs(offset - skew) < 600
        assert [each.is_skewed for each in l1.events.of(ClockSkewed)] == [True, False, True, False]


@in_virtual_time
async def test_one_provider_with_a_wrong_time_among_three_makes_no_skew() -> None:
    async with feed(DatedNode("p1", wrong_by=AN_HOUR), DatedNode("p2"), DatedNode("p3")) as l1:
        dated(l1)
        await l1.polls(10)
        assert l1.events.of(ClockSkewed) == []


@in_virtual_time
async def test_an_unchanged_offset_is_told_each_minute() -> None:
    async with feed(DatedNode("p1")) as l1:
        dated(l1)
        await l1.polls(60)
        before = len(l1.events.of(ClockMeasured))
        await l1.polls(60)
        assert 2 <= len(l1.events.of(ClockMeasured)) - before <= 4


@in_virtual_time
async def test_without_dates_a_head_tells_of_a_host_that_is_behind() -> None:
    async with feed(LiveNode("p1")) as l1:
        await l1.poll()
        assert l1.source.view.clock_offset_millis is None
        l1.clock.skew_millis = -60_000
        await l1.poll()
        assert [each.is_skewed for each in l1.events.of(ClockSkewed)] == [True]


@in_virtual_time
async def test_heads_of_a_development_chain_say_nothing_of_the_time() -> None:
    async with feed(LiveNode("p1", chain_id=OTHER_CHAIN), chain_id=OTHER_CHAIN) as l1:
        l1.clock.skew_millis = -60_000
        await l1.polls(3)
        assert l1.events.of(ClockSkewed) == []


def in_an_hour(number: int = HEAD_NUMBER) -> int:
    return header(number).timestamp + AN_HOUR


@in_virtual_time
async def test_a_head_from_the_future_is_not_taken_where_another_provider_says_what_time_it_is() -> None:
    liar, honest = DatedNode("p1", wrong_by=AN_HOUR), DatedNode("p2")
    async with feed(liar, honest) as l1:
        dated(l1)
        await l1.poll()
        liar.forge(forged(timestamp=UnixSeconds(in_an_hour())))
        sightings = [await l1.poll() for _ in range(3)]
        assert {each.header for each in sightings} == {header(HEAD_NUMBER)}
        assert l1.source.view.providers[0].failure_reason == "timestamp_in_future"
        assert l1.events.of(HeadInFuture) == [HeadInFuture("p1", HEAD_NUMBER, AN_HOUR - 4)]


@in_virtual_time
async def test_a_head_from_the_future_is_counted_once_and_used_where_nothing_refutes_it() -> None:
    node = LiveNode("p1")
    node.forge(forged(timestamp=UnixSeconds(in_an_hour())))
    async with feed(node) as l1:
        assert (await l1.poll()).header.timestamp == in_an_hour()
        await l1.polls(5)
        assert len(l1.events.of(HeadInFuture)) == 1


@in_virtual_time
async def test_on_a_development_chain_a_head_from_the_future_is_counted_and_used() -> None:
    nodes = [DatedNode("p1", chain_id=OTHER_CHAIN), DatedNode("p2", chain_id=OTHER_CHAIN)]
    for node in nodes:
        node.forge(forged(timestamp=UnixSeconds(in_an_hour())))
    async with feed(*nodes, chain_id=OTHER_CHAIN) as l1:
        dated(l1)
        await l1.polls(2)
        assert (await l1.poll()).header.timestamp == in_an_hour()
        assert len(l1.events.of(HeadInFuture)) == 1


@in_virtual_time
async def test_a_host_that_is_behind_refuses_no_true_head() -> None:
    async with feed(DatedNode("p1"), DatedNode("p2"), DatedNode("p3")) as l1:
        dated(l1)
        await l1.polls(2)
        l1.clock.skew_millis = -60_000
        assert (await l1.poll()).header == header(HEAD_NUMBER)
        assert replace(l1.events.of(HeadInFuture)[0], provider="any").block_number == HEAD_NUMBER
