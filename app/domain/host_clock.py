"""How far the host's clock is off, by what providers and heads say of the time. Whole milliseconds throughout.

The world's time minus the host's monotonic clock is one constant: each sample bounds it, and no step of the host's
wall clock disturbs it. The offset is the host's wall clock minus the world's time: positive where the host is ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.header import L1Header
from app.domain.units import MILLIS_PER_SECOND, UnixMillis, UnixSeconds

CLOCK_TOLERANCE_MILLIS: Final = 15_000
"""Past this the host's clock is said to be off, and a head to be in the future."""
TOLD_CHANGE_MILLIS: Final = 100
"""A smaller change of the offset is told with the next regular measurement only."""


@dataclass(frozen=True, slots=True)
class WorldTime:
    """Bounds of the world's time minus the host's monotonic clock."""

    earliest: int
    latest: int

    @property
    def middle(self) -> int:
        """The best guess, rounded down."""
        return (self.earliest + self.latest) // 2


def world_time(date: UnixSeconds, sent_millis: int, received_millis: int) -> WorldTime:
    """What an answer dated `date` (whole seconds, cut off) says, by the monotonic times of its request and arrival."""
    date_millis = date * MILLIS_PER_SECOND
    return WorldTime(date_millis - received_millis, date_millis + MILLIS_PER_SECOND - sent_millis)


def narrowed(known: WorldTime | None, sample: WorldTime) -> WorldTime:
    """What is known with one more sample; the sample alone where the two contradict each other."""
    if known is None:
        return sample
    earliest, latest = max(known.earliest, sample.earliest), min(known.latest, sample.latest)
    return WorldTime(earliest, latest) if earliest <= latest else sample


def clock_offset_millis(
    now: UnixMillis, monotonic_millis: int, providers: Sequence[WorldTime], head_floor: int | None
) -> int | None:
    """The host's wall clock minus the world's time; None where nothing is known.

    The median over `providers`. `head_floor` is a lower bound of the world's time minus the monotonic clock, since no
    head is from the future: it moves the median where a provider allows it; alone it tells only of a host that is late.
    """
    host = now - monotonic_millis
    middle = _median(providers)
    if middle is None:
        behind = None if head_floor is None else host - head_floor
        return behind if behind is not None and behind < 0 else None
    if head_floor is not None and middle < head_floor <= max(known.latest for known in providers):
        middle = head_floor
    return host - middle


def is_skewed(offset_millis: int) -> bool:
    """Whether the host's clock is off by more than is tolerated."""
    return abs(offset_millis) > CLOCK_TOLERANCE_MILLIS


def seconds_ahead(header: L1Header, now: UnixMillis) -> int:
    """By how many seconds, rounded up, `header` is later than `now` where that is not tolerated; else 0."""
    ahead = header.timestamp * MILLIS_PER_SECOND - now
    return -(-ahead // MILLIS_PER_SECOND) if ahead > CLOCK_TOLERANCE_MILLIS else 0


def refutes(witnesses: Sequence[WorldTime], header: L1Header, monotonic_millis: int) -> bool:
    """Whether every other provider's time puts `header` in the future, the host's wall clock aside.

    Every one of them: a single false time must not turn honest heads away.
    """
    return bool(witnesses) and all(
        seconds_ahead(header, UnixMillis(monotonic_millis + known.latest)) > 0 for known in witnesses
    )


def _median(providers: Sequence[WorldTime]) -> int | None:
    """The middle one of the best guesses; of an even number the mean of the two in the middle, rounded down."""
    if not providers:
        return None
    guesses = sorted(known.middle for known in providers)
    return (guesses[(len(guesses) - 1) // 2] + guesses[len(guesses) // 2]) // 2
