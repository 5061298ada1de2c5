"""The one writer of the oracle's state: observations go into one queue, quotes come out of one assignment."""

import asyncio
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.advance import Observation, OracleState, advance
from app.domain.formula import FeeFormula, PathPoint
from app.domain.parameters import Parameters
from app.domain.quote import Quote
from app.engine.events import Observer, QuoteMade
from app.engine.ports import Clock, Publisher


@dataclass(frozen=True, slots=True)
class Restart:
    """The state is to begin anew, with blocks that are priced but neither published nor counted."""

    replayed: tuple[Observation, ...] = ()
    previous: PathPoint | None = None
    """What stands in for the parent of the first block; None where that has no previous fee."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive blocks, oldest first; the last one's quote is published."""

    observations: tuple[Observation, ...]
    restart: Restart | None = None


class Oracle:
    """Folds batches into the state, one at a time, in the order they came."""

    def __init__(self, *, formula: FeeFormula, publisher: Publisher, clock: Clock, observe: Observer) -> None:
        self._formula = formula
        self._publisher = publisher
        self._clock = clock
        self._observe = observe
        self._state = OracleState()
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(maxsize=1)

    @property
    def state(self) -> OracleState:
        """The state now."""
        return self._state

    @property
    def parameters(self) -> Parameters:
        """The parameters that govern the next block."""
        return self._formula.parameters

    async def accept(self, batch: Batch) -> None:
        """Queue `batch`; waits only while an earlier one still waits."""
        await self._queue.put(batch)

    async def settled(self) -> None:
        """Return once everything that was accepted is published."""
        await self._queue.join()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            batch = await self._queue.get()
            self._write(batch)
            self._queue.task_done()

    def _write(self, batch: Batch) -> None:
        before = self._state.quote
        state = self._state if batch.restart is None else self._restarted(batch.restart, batch.observations[0])
        made: list[Quote] = []
        for observation in batch.observations:
            state, quote = advance(state, observation, self._formula)
            made.append(quote)
        self._state = state
        at = self._clock.now()
        self._publisher.publish(made[-1], at)
        for quote in made:
            self._observe(QuoteMade(quote, at, before))
            before = quote

    def _restarted(self, restart: Restart, first: Observation) -> OracleState:
        oldest = restart.replayed[0] if restart.replayed else first
        seeds = {} if restart.previous is None else {oldest.header.parent_hash: restart.previous}
        state = OracleState(points=MappingProxyType(seeds))
        for observation in restart.replayed:
            state, _ = advance(state, observation, self._formula)
        return state
