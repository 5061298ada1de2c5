"""What costs more than an answer to a small question: one piece of it at a turn of the event loop, and few that wait.

All of the program shares one event loop. However much is asked of it, the poll loop and the readers of the fee have
their turn between any two pieces, of which the dearest takes some milliseconds.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.api.problems import overloaded

MOST_WAITING: Final = 64
SMALL_BODY_BYTES: Final = 1024
"""A body that asks for no more work than any GET does, so that it need not wait."""
MOST_LARGE_BODIES: Final = 256
"""Bodies above `SMALL_BODY_BYTES` that are held in memory at once."""


class Turnstile:
    """Lets one at a time through, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._large_bodies = 0

    async def turn(self) -> None:
        """Wait until it is the caller's turn to work until its next await. Raises a `ProblemError` where many wait."""
        if self._waiting >= MOST_WAITING:
            raise overloaded("requests wait to be worked on", MOST_WAITING)
        self._waiting += 1
        try:
            async with self._lock:
                await asyncio.sleep(0)
        finally:
            self._waiting -= 1

    @contextmanager
    def large_body(self) -> Iterator[None]:
        """Room for a body that is not small. Raises a `ProblemError` where there is none."""
        if self._large_bodies >= MOST_LARGE_BODIES:
            raise overloaded(f"bodies of more than {SMALL_BODY_BYTES} bytes are being received", MOST_LARGE_BODIES)
        self._large_bodies += 1
        try:
            yield
        finally:
            self._large_bodies -= 1
