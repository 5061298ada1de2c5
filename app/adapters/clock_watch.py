"""How far the host's clock is off, measured from what the nodes' answers and the heads say of the time."""

from collections.abc import Sequence
from typing import Final

from app.adapters.nodes import Dated
from app.domain.header import L1Header
from app.domain.host_clock import (
    TOLD_CHANGE_MILLIS,
    WorldTime,
    clock_offset_millis,
    is_skewed,
    narrowed,
    world_time,
)
from app.domain.units import MILLIS_PER_SECOND
from app.engine.events import ClockMeasured, ClockSkewed, Observer
from app.engine.ports import Clock

REGULAR_SECONDS: Final = 60.0
"""How often an offset that stays the same is told again."""


class ClockWatch:
    """Keeps what each provider said of the time and tells of the offset."""

    def __init__(self, clock: Clock, observe: Observer) -> None:
        self._clock = clock
        self._observe = observe
        self._taken: dict[str, Dated] = {}
        self._times: dict[str, WorldTime] = {}
        self._head_floor: int | None = None
        self._told: int | None = None
        self._told_at = 0.0
        self._skewed = False
        self.offset_millis: int | None = None
        """The host's clock minus the world's time; None while nothing is known."""

    def date(self, provider: str, dated: Dated | None) -> None:
        """Take what `provider` said last."""
        if dated is None or self._taken.get(provider) is dated:
            return
        self._taken[provider] = dated
        sample = world_time(dated.date, _millis(dated.sent), _millis(dated.received))
        self._times[provider] = narrowed(self._times.get(provider), sample)

    def head(self, header: L1Header) -> None:
        """Take `header`, which was agreed on, as a time that has been reached."""
        self._head_floor = header.timestamp * MILLIS_PER_SECOND - self._monotonic_millis()

    def times_of_others(self, provider: str) -> Sequence[WorldTime]:
        """What all but `provider` said."""
        return [known for alias, known in self._times.items() if alias != provider]

    def measure(self) -> None:
        """Estimate the offset anew; tell of it where it changed, regularly, and where it gets past the tolerance."""
        now, monotonic = self._clock.now(), self._monotonic_millis()
        offset = clock_offset_millis(now, monotonic, list(self._times.values()), self._head_floor)
        self.offset_millis = offset
        if offset is None:
            return
        moment = self._clock.monotonic()
        changed = self._told is None or abs(offset - self._told) >= TOLD_CHANGE_MILLIS
        if changed or moment - self._told_at >= REGULAR_SECONDS:
            self._told, self._told_at = offset, moment
            self._observe(ClockMeasured(offset))
        if is_skewed(offset) is not self._skewed:
            self._skewed = not self._skewed
            self._observe(ClockSkewed(offset, self._skewed))

    def _monotonic_millis(self) -> int:
        return _millis(self._clock.monotonic())


def _millis(seconds: float) -> int:
    return int(seconds * MILLIS_PER_SECOND)
