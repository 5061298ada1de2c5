"""When a provider that keeps failing is left alone, and when it is tried again. Times are the monotonic clock's."""

from dataclasses import dataclass
from typing import Final

from app.engine.ports import ProviderState

FAILURES_TO_OPEN: Final = 3
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Breaker:
    """Opens after consecutive failures, lets one probe through after a pause that doubles, closes on a success."""

    state: ProviderState = ProviderState.CLOSED
    reason: str | None = None
    """Why it is open; None while it is closed."""
    pause_seconds: float = 0.0
    """How long it is left alone since it last opened."""
    _failures: int = 0
    _probe_at: float = 0.0

    def is_due(self, now: float) -> bool:
        """Whether the provider is to be asked now."""
        return self.state is not ProviderState.OPEN or now >= self._probe_at

    def probe(self) -> None:
        """Note that an open provider is being asked once."""
        if self.state is ProviderState.OPEN:
            self.state = ProviderState.HALF_OPEN

    def succeeded(self) -> bool:
        """Take a good answer; whether it closes what was open."""
        closes = self.state is not ProviderState.CLOSED
        self.state, self.reason, self.pause_seconds, self._failures = ProviderState.CLOSED, None, 0.0, 0
        return closes

    def failed(self, reason: str, now: float) -> bool:
        """Take a failure; whether it opens what was closed. A failed probe doubles the pause, unless it came early.

        Where nobody else is left a provider is asked before its time: that must not keep it away once others are back.
        """
        self._failures += 1
        if self.state is ProviderState.CLOSED and self._failures < FAILURES_TO_OPEN:
            return False
        if self.state is not ProviderState.CLOSED and now < self._probe_at:
            self.state, self.reason = ProviderState.OPEN, reason
            return False
        return self.open(reason, now, min(max(FIRST_PAUSE_SECONDS, 2 * self.pause_seconds), LONGEST_PAUSE_SECONDS))

    def open(self, reason: str, now: float, pause_seconds: float) -> bool:
        """Leave the provider alone for so long; whether it was asked until now."""
        opens = self.state is ProviderState.CLOSED
        self.state, self.reason = ProviderState.OPEN, reason
        self.pause_seconds, self._probe_at = pause_seconds, now + pause_seconds
        return opens
