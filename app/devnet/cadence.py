"""When blocks come: the devnet's block time, which can be changed while it runs."""

import asyncio
import math
from typing import Final, Literal

from app.devnet.node import Node
from app.domain.errors import InvalidValueError
from app.domain.units import MILLIS_PER_SECOND, UnixSeconds
from app.engine.ports import Clock

LEAST_BLOCK_TIME_SECONDS: Final = 0.01
GREATEST_BLOCK_TIME_SECONDS: Final = 3_600.0


class Cadence:
    """Seconds from block to block; 0 while blocks come only on request."""

    def __init__(self, seconds: float) -> None:
        self.seconds = checked_block_time(seconds, "block_time_seconds")
        self._changed = asyncio.Event()

    def change(self, seconds: float) -> None:
        """Let the next block come `seconds` from now; 0 stops the chain."""
        self.seconds = checked_block_time(seconds, "seconds")
        self._changed.set()

    async def changes_before(self, due: float, clock: Clock) -> bool:
        """Wait until the monotonic time `due`, for ever while the chain is stopped; True if a change came first."""
        self._changed.clear()
        waits = [asyncio.create_task(self._changed.wait())]
        if self.seconds:
            waits.append(asyncio.create_task(_until(due, clock)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._changed.is_set()


async def _until(due: float, clock: Clock) -> Literal[True]:
    await clock.sleep(max(0.0, due - clock.monotonic()))
    return True


def checked_block_time(seconds: float, name: str) -> float:
    """`seconds`, where it can be a block time."""
    is_time = seconds == 0 or LEAST_BLOCK_TIME_SECONDS <= seconds <= GREATEST_BLOCK_TIME_SECONDS
    if not is_time or not math.isfinite(seconds):
        allowed = f"0, or {LEAST_BLOCK_TIME_SECONDS} to {GREATEST_BLOCK_TIME_SECONDS:.0f} seconds"
        raise InvalidValueError(name, seconds, allowed)
    return seconds


async def produce(node: Node, cadence: Cadence, clock: Clock) -> None:
    """Mine at the cadence until the source is over. A block that comes late does not make the next come sooner."""
    due = clock.monotonic() + cadence.seconds
    while not node.is_over:
        if await cadence.changes_before(due, clock):
            due = clock.monotonic() + cadence.seconds
        elif not node.is_over:
            node.mine(UnixSeconds(clock.now() // MILLIS_PER_SECOND))
            due += cadence.seconds
            if due <= clock.monotonic():
                due = clock.monotonic() + cadence.seconds
