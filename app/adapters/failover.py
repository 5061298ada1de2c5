"""Which provider decides: ordered failover with timed fail-back. Times are the monotonic clock's."""

from collections.abc import Sequence


class Failover:
    """Who was left and when. A provider that was left comes last until its time is over, counted from then."""

    def __init__(self, failback_seconds: float) -> None:
        self._failback_seconds = failback_seconds
        self._left_at: dict[str, float] = {}

    def order(self, providers: Sequence[str], now: float) -> Sequence[str]:
        """`providers`, which come in order of preference, with those that were left lately at the end."""
        return sorted(providers, key=lambda provider: self._is_left(provider, now))

    def leave(self, provider: str, now: float) -> None:
        """Count the time of `provider` from now."""
        self._left_at[provider] = now

    def use(self, provider: str, order: Sequence[str], now: float) -> None:
        """Let `provider` decide: all that come before it in `order` are left."""
        for better in order[: order.index(provider)]:
            self.leave(better, now)
        self._left_at.pop(provider, None)

    def _is_left(self, provider: str, now: float) -> bool:
        left_at = self._left_at.get(provider)
        return left_at is not None and now < left_at + self._failback_seconds
