from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.header import L1Header
from app.domain.host_clock import (
    WorldTime,
    clock_offset_millis,
    is_skewed,
    narrowed,
    refutes,
    seconds_ahead,
    world_time,
)
from app.domain.units import UnixMillis, UnixSeconds
from tests.domain.build import a_header

EPOCH = 1_700_000_000
EPOCH_MILLIS = EPOCH * 1000
rtts = st.integers(0, 2000)


def header_at(seconds: int) -> L1Header:
    return replace(a_header(), timestamp=UnixSeconds(seconds))


def sample(true_millis: int, *, there: int = 0, back: int = 0, monotonic: int = 0) -> WorldTime:
    """What an answer says that was made at `true_millis`, when the monotonic clock said `monotonic`."""
    return world_time(UnixSeconds(true_millis // 1000), monotonic - there, monotonic + back)


@given(st.integers(0, 10**6), rtts, rtts, st.integers(0, 10**6))
def test_the_truth_is_within_the_bounds_of_every_sample(moment: int, there: int, back: int, monotonic: int) -> None:
    bounds = sample(EPOCH_MILLIS + moment, there=there, back=back, monotonic=monotonic)
    assert bounds.earliest <= EPOCH_MILLIS + moment - monotonic <= bounds.latest


@given(st.lists(st.tuples(st.integers(0, 10**6), rtts, rtts), min_size=1, max_size=20))
def test_many_samples_leave_the_truth_within_ever_closer_bounds(moments: list[tuple[int, int, int]]) -> None:
    known: WorldTime | None = None
    for moment, there, back in moments:
        closer = narrowed(known, sample(EPOCH_MILLIS + moment, there=there, back=back, monotonic=moment))
        assert closer.earliest <= EPOCH_MILLIS <= closer.latest
        assert known is None or closer.latest - closer.earliest <= known.latest - known.earliest
        known = closer


def test_a_sample_that_contradicts_what_was_known_replaces_it() -> None:
    known, stepped = sample(EPOCH_MILLIS), sample(EPOCH_MILLIS + 60_000)
    assert narrowed(known, stepped) == stepped


@pytest.mark.parametrize("skew", [-60_000, -700, 0, 700, 60_000])
def test_the_offset_is_the_host_minus_the_world(skew: int) -> None:
    known = WorldTime(EPOCH_MILLIS - 5000, EPOCH_MILLIS - 5000)
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS + skew), 5000, [known], None) == skew


def test_one_provider_among_three_does_not_move_the_offset_beyond_the_others() -> None:
    honest, other, liar = (WorldTime(EPOCH_MILLIS + by, EPOCH_MILLIS + by) for by in (0, 40, 3_600_000))
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, [liar, honest, other], None) == -40


def test_nothing_is_known_where_nobody_says_anything() -> None:
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, [], None) is None


def test_a_head_alone_tells_of_a_host_that_is_behind_and_of_none_that_is_ahead() -> None:
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, [], EPOCH_MILLIS + 20_000) == -20_000
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, [], EPOCH_MILLIS - 20_000) is None


def test_a_head_narrows_what_providers_allow_and_overrules_none() -> None:
    known = [WorldTime(EPOCH_MILLIS - 500, EPOCH_MILLIS + 500)]
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, known, EPOCH_MILLIS + 300) == -300
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, known, EPOCH_MILLIS - 300) == 0
    assert clock_offset_millis(UnixMillis(EPOCH_MILLIS), 0, known, EPOCH_MILLIS + 60_000) == 0


@pytest.mark.parametrize(("offset", "skewed"), [(0, False), (15_000, False), (15_001, True), (-15_001, True)])
def test_past_fifteen_seconds_the_clock_is_off(offset: int, skewed: bool) -> None:  # noqa: FBT001 - a table
    assert is_skewed(offset) is skewed


@pytest.mark.parametrize(("ahead_millis", "seconds"), [(-1000, 0), (15_000, 0), (15_001, 16), (60_000, 60)])
def test_a_head_is_in_the_future_past_fifteen_seconds(ahead_millis: int, seconds: int) -> None:
    assert seconds_ahead(header_at(EPOCH), UnixMillis(EPOCH_MILLIS - ahead_millis)) == seconds


def test_others_refute_a_head_from_the_future_and_not_one_that_a_slow_host_finds_early() -> None:
    right = [WorldTime(EPOCH_MILLIS - 500, EPOCH_MILLIS + 500)]
    assert refutes(right, header_at(EPOCH + 3600), 0)
    assert not refutes(right, header_at(EPOCH + 12), 0)
    assert not refutes([], header_at(EPOCH + 3600), 0)
