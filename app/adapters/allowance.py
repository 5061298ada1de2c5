"""How often something may happen: a few times at once, in the long run only at a rate."""

from collections.abc import Callable


class Allowance:
    """A budget that refills with time, up to `most`."""

    def __init__(self, most: float, per_second: float, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._per_second = per_second
        self._monotonic = monotonic
        self._left = most
        self._counted_at = monotonic()

    def seconds_to_wait(self) -> float:
        """Until it may happen again; 0 where it may now."""
        return max(0.0, 1 - self._now_left()) / self._per_second

    def take(self) -> None:
        """It happens."""
        self._left, self._counted_at = self._now_left() - 1, self._monotonic()

    def _now_left(self) -> float:
        return min(self._most, self._left + (self._monotonic() - self._counted_at) * self._per_second)
