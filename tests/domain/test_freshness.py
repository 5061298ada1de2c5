import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidValueError
from app.domain.freshness import Freshness, FreshnessPolicy, QuoteStatus, StaleReason, Witnesses, birth_of, judge
from app.domain.units import UnixMillis, UnixSeconds

HEAD = UnixSeconds(1_764_157_403)
POLICY = FreshnessPolicy()
FRESH, STALE, EXPIRED = QuoteStatus.FRESH, QuoteStatus.STALE, QuoteStatus.EXPIRED


def at_age(millis: int, agreeing: int = 1, max_age_seconds: int | None = None) -> Freshness:
    born = UnixMillis(HEAD * 1000)
    now = UnixMillis(born + millis)
    return judge(born, now, POLICY, Witnesses(agreeing), max_age_seconds=max_age_seconds)


@pytest.mark.parametrize(
    ("millis", "agreeing", "status"),
    [
        (0, 1, FRESH),
        (48_000, 1, FRESH),
        (48_001, 1, STALE),
        (180_000, 1, STALE),
        (180_001, 1, EXPIRED),
        (180_001, 0, EXPIRED),
        (180_001, 2, STALE),
        (900_000, 2, STALE),
        (900_001, 2, EXPIRED),
        (900_001, 9, EXPIRED),
        (48_001, 0, STALE),
    ],
)
def test_a_quote_is_fresh_to_48_s_and_served_to_180_s_or_five_times_that_with_two_witnesses(
    millis: int, agreeing: int, status: QuoteStatus
) -> None:
    assert at_age(millis, agreeing).status is status


@pytest.mark.parametrize(
    ("millis", "agreeing", "reason"),
    [
        (48_000, 0, None),
        (48_001, 0, StaleReason.L1_UNREACHABLE),
        (48_001, 1, StaleReason.L1_LATE),
        (48_001, 3, StaleReason.L1_LATE),
        (999_000, 0, StaleReason.L1_UNREACHABLE),
        (999_000, 2, StaleReason.L1_LATE),
    ],
)
def test_an_old_quote_says_why_there_is_no_newer_one(millis: int, agreeing: int, reason: StaleReason | None) -> None:
    assert at_age(millis, agreeing).reason is reason


@given(ahead=st.integers(0, 10**9))
def test_a_head_ahead_of_the_clock_is_fresh_and_its_age_is_not_negative(ahead: int) -> None:
    freshness = at_age(-ahead)
    assert (freshness.status, freshness.age_millis) == (FRESH, 0)


@pytest.mark.parametrize(
    ("millis", "max_age_seconds", "status"),
    [
        (10_000, 10, FRESH),
        (10_001, 10, EXPIRED),
        (1, 0, EXPIRED),
        (60_000, 100, STALE),
        (100_001, 100, EXPIRED),
        (180_001, 10_000, EXPIRED),
    ],
)
def test_a_readers_own_limit_tightens_and_never_loosens(millis: int, max_age_seconds: int, status: QuoteStatus) -> None:
    assert at_age(millis, 1, max_age_seconds).status is status


@given(millis=st.integers(-10_000, 2_000_000), agreeing=st.integers(0, 3), limit=st.integers(0, 2000))
def test_a_limit_only_ever_expires_a_quote(millis: int, agreeing: int, limit: int) -> None:
    limited, free = at_age(millis, agreeing, limit), at_age(millis, agreeing)
    assert limited.status is free.status or limited.status is EXPIRED
    assert limited.expires_at <= free.expires_at


@given(millis=st.integers(-10_000, 2_000_000), agreeing=st.integers(0, 3))
def test_the_moments_given_are_the_last_ones_of_each_status(millis: int, agreeing: int) -> None:
    freshness = at_age(millis, agreeing)
    now = HEAD * 1000 + millis
    assert (freshness.status is FRESH) == (now <= freshness.stale_at)
    assert (freshness.status is EXPIRED) == (now > freshness.expires_at)


def test_another_witness_brings_an_expired_quote_back() -> None:
    assert at_age(200_000, 1).status is EXPIRED
    assert at_age(200_000, 2).status is STALE


@pytest.mark.parametrize(
    ("millis", "interval", "blocks"),
    [(0, 12, 0), (11_999, 12, 0), (12_000, 12, 1), (60_000, 12, 5), (60_000, 1, 60)],
)
def test_a_block_may_have_come_for_each_interval_passed(millis: int, interval: int, blocks: int) -> None:
    assert at_age(millis).possible_blocks(interval) == blocks


@pytest.mark.parametrize(("stale", "expires"), [(0, 180), (-1, 180), (181, 180)])
def test_a_quote_cannot_expire_while_it_is_fresh(stale: int, expires: int) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        FreshnessPolicy(stale_after_seconds=stale, expires_after_seconds=expires)
    assert refusal.value.name == "TAIKO_QUOTE_STALE_AFTER_SECONDS"


def test_a_quote_may_expire_without_ever_being_stale() -> None:
    policy = FreshnessPolicy(stale_after_seconds=60, expires_after_seconds=60)
    assert judge(UnixMillis(HEAD * 1000), UnixMillis(HEAD * 1000 + 60_001), policy, Witnesses(1)).status is EXPIRED


def test_a_head_from_the_future_ages_from_the_moment_it_was_first_held() -> None:
    first_held = UnixMillis(HEAD * 1000 - 600_000)
    born = birth_of(HEAD, first_held)
    assert judge(born, UnixMillis(first_held + 48_001), POLICY, Witnesses(1)).status is STALE
    assert judge(born, UnixMillis(first_held + 180_001), POLICY, Witnesses(1)).status is EXPIRED


def test_a_host_clock_that_is_set_back_makes_no_old_quote_new() -> None:
    born = birth_of(HEAD, UnixMillis(HEAD * 1000))
    set_back = UnixMillis(HEAD * 1000 - 3_600_000)
    judged = judge(born, set_back, POLICY, Witnesses(1), held_millis=48_001)
    assert (judged.status, judged.age_millis) == (STALE, 48_001)
