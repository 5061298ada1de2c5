from app.adapters.breaker import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Breaker
from app.engine.ports import ProviderState


def opened() -> Breaker:
    breaker = Breaker()
    assert [breaker.failed("timeout", 100.0) for _ in range(3)] == [False, False, True]
    return breaker


def test_it_opens_after_three_failures_in_a_row_and_says_why() -> None:
    breaker = opened()
    assert (breaker.state, breaker.reason, breaker.pause_seconds) == (ProviderState.OPEN, "timeout", 5.0)
    assert not breaker.is_due(100.0 + FIRST_PAUSE_SECONDS - 0.01)


def test_a_success_starts_the_count_anew() -> None:
    breaker = Breaker()
    breaker.failed("timeout", 0)
    breaker.failed("timeout", 0)
    assert not breaker.succeeded()
    breaker.failed("timeout", 0)
    assert not breaker.failed("timeout", 0)
    assert breaker.is_due(0)


def test_one_probe_goes_through_after_the_pause_and_closes_it_where_it_succeeds() -> None:
    breaker = opened()
    assert breaker.is_due(100.0 + FIRST_PAUSE_SECONDS)
    breaker.probe()
    assert breaker.state is ProviderState.HALF_OPEN
    assert breaker.succeeded()
    assert (breaker.state, breaker.reason) == (ProviderState.CLOSED, None)


def test_a_failed_probe_doubles_the_pause_up_to_a_minute() -> None:
    breaker, now, pauses = opened(), 100.0, []
    for _ in range(6):
        now += breaker.pause_seconds
        breaker.probe()
        assert not breaker.failed("unreachable", now)
        pauses.append(breaker.pause_seconds)
    assert pauses == [10, 20, 40, 60, 60, 60]


def test_after_a_recovery_it_is_as_patient_as_ever() -> None:
    breaker = opened()
    breaker.open("rejected_header", 100.0, LONGEST_PAUSE_SECONDS)
    breaker.succeeded()
    assert [breaker.failed("timeout", 300.0) for _ in range(3)] == [False, False, True]
    assert breaker.pause_seconds == FIRST_PAUSE_SECONDS


def test_a_failure_before_its_time_keeps_it_away_no_longer() -> None:
    breaker = opened()
    for now in (101.0, 102.0, 104.9):
        breaker.probe()
        assert not breaker.failed("unreachable", now)
        assert breaker.state is ProviderState.OPEN
    assert breaker.is_due(100.0 + FIRST_PAUSE_SECONDS)
    assert breaker.pause_seconds == FIRST_PAUSE_SECONDS
