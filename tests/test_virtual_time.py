"""Time that jumps: nothing is waited for, nothing is out of order, and a deadlock is said."""

import asyncio
import time

import pytest

from app.domain.units import UnixMillis
from tests.virtual_time import DeadlockError, VirtualClock, run_in_virtual_time

A_DAY = 86_400


def test_a_day_passes_at_once() -> None:
    async def work() -> float:
        await asyncio.sleep(A_DAY)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run_in_virtual_time(work()) == A_DAY
    assert time.monotonic() - started < 1


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[tuple[float, str]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((asyncio.get_running_loop().time(), name))

    async def work() -> None:
        await asyncio.gather(sleeper("c", 3), sleeper("a", 1), sleeper("b", 2.5))

    run_in_virtual_time(work())
    assert woken == [(1, "a"), (2.5, "b"), (3, "c")]


def test_timeouts_end_at_their_virtual_moment() -> None:
    async def work() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.sleep(A_DAY)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(work()) == 7


def test_what_can_never_go_on_is_a_deadlock() -> None:
    async def work() -> None:
        await asyncio.sleep(5)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"5\.000 s"):
        run_in_virtual_time(work())


def test_a_clock_tells_the_loops_time_from_its_epoch_on() -> None:
    async def work() -> tuple[int, int, float]:
        clock = VirtualClock(UnixMillis(1_700_000_000_000))
        before = clock.now()
        await clock.sleep(1.25)
        return before, clock.now(), clock.monotonic()

    assert run_in_virtual_time(work()) == (1_700_000_000_000, 1_700_000_001_250, 1.25)


def test_a_skewed_clock_is_off_by_its_skew_and_its_monotonic_time_is_not() -> None:
    async def work() -> tuple[int, int, float]:
        clock = VirtualClock(UnixMillis(1_000_000))
        await clock.sleep(2)
        clock.skew_millis = -60_000
        return clock.now(), clock.true_now(), clock.monotonic()

    assert run_in_virtual_time(work()) == (942_000, 1_002_000, 2)
