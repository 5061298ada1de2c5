import asyncio
from pathlib import Path

import pytest

from app.devnet.cadence import Cadence, produce
from app.devnet.chain import Block
from app.devnet.node import Node
from app.devnet.replay import read_replay
from app.devnet.server import Outbox, SlowSubscriberError
from app.domain.errors import InvalidValueError
from app.domain.units import UnixMillis
from tests.devnet.support import NOW, node_of
from tests.fakes import ManualClock

DATA = Path(__file__).parent / "data"


class Bell(ManualClock):
    """A clock whose sleepers wake when the test says that their time has passed."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.sleeping = asyncio.Event()
        self._ring = asyncio.Event()

    def now(self) -> UnixMillis:
        return UnixMillis(round(self.seconds * 1000))

    async def sleep(self, seconds: float) -> None:
        self.sleeping.set()
        await self._ring.wait()
        self._ring.clear()
        await super().sleep(seconds)

    def ring(self) -> None:
        self.sleeping.clear()
        self._ring.set()


async def test_blocks_come_a_block_time_apart_without_drift() -> None:
    node, clock = node_of(window=8_192), ManualClock(NOW)
    stamps: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        producing = tasks.create_task(produce(node, Cadence(0.4), clock))

        def stop_after_ten(block: Block) -> None:
            stamps.append(block.header.timestamp)
            if len(stamps) == 10:
                producing.cancel()

        node.listen(stop_after_ten)

    assert [stamp - NOW for stamp in stamps] == [0, 0, 1, 1, 2, 2, 2, 3, 3, 4]


async def test_a_long_pause_is_not_made_up_for() -> None:
    node, clock = node_of(), ManualClock(NOW)
    numbers: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        producing = tasks.create_task(produce(node, Cadence(2), clock))

        def pause_once(_: Block) -> None:
            numbers.append(clock.seconds - NOW)
            if len(numbers) == 1:
                clock.seconds += 100
            if len(numbers) == 3:
                producing.cancel()

        node.listen(pause_once)

    assert numbers == [2, 104, 106]


async def test_a_stopped_chain_makes_no_block_until_the_block_time_changes() -> None:
    node, clock, cadence = node_of(), Bell(), Cadence(0)
    async with asyncio.TaskGroup() as tasks:
        producing = tasks.create_task(produce(node, cadence, clock))
        mined = asyncio.Event()
        node.listen(lambda _: mined.set())
        await asyncio.sleep(0)
        assert node.chain.head.header.number == 0

        cadence.change(5)
        await clock.sleeping.wait()
        clock.ring()
        await mined.wait()
        assert node.chain.head.header.number == 1
        assert node.chain.head.header.timestamp == NOW + 5
        producing.cancel()


async def test_a_change_of_block_time_cuts_the_present_wait_short() -> None:
    node, clock, cadence = node_of(), Bell(), Cadence(3_600)
    async with asyncio.TaskGroup() as tasks:
        producing = tasks.create_task(produce(node, cadence, clock))
        mined = asyncio.Event()
        node.listen(lambda _: mined.set())
        await clock.sleeping.wait()
        clock.sleeping.clear()

        cadence.change(1)
        await clock.sleeping.wait()
        clock.ring()
        await mined.wait()
        assert node.chain.head.header.timestamp == NOW + 1
        producing.cancel()


async def test_production_ends_with_the_replay() -> None:
    replay = read_replay(DATA / "quiet.csv")
    node = Node(replay, seed=1, now=NOW, balances={})

    await produce(node, Cadence(1), ManualClock(NOW))

    assert node.chain.head.header.number == replay.last_number


@pytest.mark.parametrize("seconds", [-1, 0.009, 3_601, float("nan"), float("inf")])
def test_a_block_time_has_limits(seconds: float) -> None:
    with pytest.raises(InvalidValueError, match=r"block_time_seconds: .*expected 0, or 0.01 to 3600 seconds"):
        Cadence(seconds)


async def test_an_outbox_that_is_not_emptied_says_so() -> None:
    outbox = Outbox(2)
    for message in ("a", "b", "c"):
        outbox.put(message)

    with pytest.raises(SlowSubscriberError, match="over 2 unsent messages"):
        await outbox.overflow()
    assert [await outbox.next(), await outbox.next()] == ["a", "b"]
