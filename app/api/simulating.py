"""Simulations beside the read path: few at once, for a bounded time, in slices with rests between them.

All of the program shares one event loop, and a thread of their own would hold it up for longer than a slice does.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Final, TypeVar

from app.api.problems import overloaded, simulation_too_slow
from app.domain.alerts import AlertThresholds
from app.domain.scorecard import Scorecard, Scoring
from app.domain.simulation import SeriesBlock, SimulatedBlock, SimulationPlan, simulated

AT_ONCE: Final = 2
MOST_BODIES: Final = 8
"""Bodies that are received at once: a slow client holds one of them, and none of the seats."""
SECONDS: Final = 20.0
"""Some times what the dearest takes, with its rests, on a processor of its own."""
SLICE_BLOCKS: Final = 64
"""Of a millisecond or less."""
REST: Final = 19
"""How many times as long as it worked a simulation then leaves the processor to others: it has a twentieth at most."""

Item = TypeVar("Item")


class SimulationRoom:
    """The door that lets few in."""

    def __init__(self) -> None:
        self._inside = 0
        self._bodies = 0

    @contextmanager
    def body(self) -> Iterator[None]:
        """Room for one request's body while it comes. Raises a `ProblemError` (503) where there is none."""
        if self._bodies >= MOST_BODIES:
            raise overloaded("simulations are being received", MOST_BODIES)
        self._bodies += 1
        try:
            yield
        finally:
            self._bodies -= 1

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[None]:
        """Room for one simulation. Raises a `ProblemError` (503) where there is none, or where it takes too long."""
        if self._inside >= AT_ONCE:
            raise overloaded("simulations run", AT_ONCE)
        self._inside += 1
        try:
            async with asyncio.timeout(SECONDS):
                yield
        except TimeoutError:
            raise simulation_too_slow(SECONDS) from None
        finally:
            self._inside -= 1


async def scored_in_slices(
    plan: SimulationPlan, thresholds: AlertThresholds, series: Iterator[SeriesBlock], rows: list[SimulatedBlock] | None
) -> Scorecard:
    """The scorecard of a simulation, as `scored` makes it; its blocks go into `rows` where there are such.

    Raises `EmptyHistoryError` for a series without blocks.
    """
    scoring = Scoring(plan, thresholds)
    async for piece in sliced(simulated(plan, series)):
        scoring.take(piece)
        if rows is not None:
            rows.extend(piece)
    return scoring.card()


async def sliced(items: Iterable[Item]) -> AsyncIterator[tuple[Item, ...]]:
    """All of `items`, a slice at a time; after each is worked on, others have their turn for longer than it took."""
    left, began = iter(items), time.thread_time()
    while piece := tuple(islice(left, SLICE_BLOCKS)):
        yield piece
        await asyncio.sleep(REST * (time.thread_time() - began))
        began = time.thread_time()
