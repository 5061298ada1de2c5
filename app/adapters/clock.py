"""The machine's clocks."""

import asyncio
import time
from typing import Final

from app.domain.units import UnixMillis

NANOSECONDS_PER_MILLISECOND: Final = 10**6


class SystemClock:
    """Wall-clock and monotonic time of this machine."""

    def now(self) -> UnixMillis:
        """Wall-clock time in Unix milliseconds, rounded down."""
        return UnixMillis(time.time_ns() // NANOSECONDS_PER_MILLISECOND)

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await asyncio.sleep(seconds)
