import time

from app.adapters.clock import SystemClock
from app.engine.ports import Clock


def test_now_is_the_machines_time_in_milliseconds() -> None:
    before, now, after = time.time_ns(), SystemClock().now(), time.time_ns()
    assert before // 10**6 <= now <= after // 10**6


async def test_sleeping_takes_monotonic_time() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() - before >= 0.001
