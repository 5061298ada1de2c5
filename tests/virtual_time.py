"""Time without waiting: an event loop that jumps to its next timer, and clocks that tell its time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.domain.units import UnixMillis
from app.engine.ports import Clock

Result = TypeVar("Result")

_MILLIS_PER_SECOND = 1000


class DeadlockError(RuntimeError):
    """Every task waits for something that no timer and no other task will bring."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits and never looks at a descriptor: where the loop would block, its time moves on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError(f"nothing can happen any more at {self.seconds:.3f} s")
        self.seconds += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and stands still while anything is ready.

    What waits for a socket, a thread or another process waits for ever: `DeadlockError`.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.seconds


def run_in_virtual_time(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work` on a loop of its own. Raises what it raises, and `DeadlockError`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


class VirtualClock(Clock):
    """A host's clock on the time of the loop that runs; its wall clock may be off, and may jump."""

    def __init__(self, epoch: UnixMillis) -> None:
        """`epoch` is the true Unix time at the loop's second 0."""
        self._loop = asyncio.get_running_loop()
        self._epoch = epoch
        self.skew_millis = 0
        """How far the wall clock is ahead of the truth."""

    def true_now(self) -> UnixMillis:
        """The Unix time that a right clock would tell."""
        return UnixMillis(self._epoch + round(self.monotonic() * _MILLIS_PER_SECOND))

    def now(self) -> UnixMillis:
        return UnixMillis(self.true_now() + self.skew_millis)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
