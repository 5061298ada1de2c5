from app.adapters.allowance import Allowance
from tests.fakes import ManualClock


def happened(allowance: Allowance, clock: ManualClock, seconds: float) -> int:
    """How often it happened in so many seconds, as soon as it was allowed each time."""
    times, end = 0, clock.seconds + seconds
    while clock.seconds + allowance.seconds_to_wait() <= end:
        clock.seconds += allowance.seconds_to_wait()
        allowance.take()
        times += 1
    return times


def test_a_few_times_at_once_and_then_only_at_the_rate() -> None:
    clock = ManualClock()
    allowance = Allowance(10, 2, clock.monotonic)
    assert happened(allowance, clock, 0) == 10
    assert 119 <= happened(allowance, clock, 60) <= 121


def test_what_is_not_used_is_saved_up_to_the_most() -> None:
    clock = ManualClock()
    allowance = Allowance(10, 2, clock.monotonic)
    happened(allowance, clock, 0)
    clock.seconds += 3600
    assert happened(allowance, clock, 0) == 10
