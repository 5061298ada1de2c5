"""A sweep's candidates on all cores. Each worker holds every series once."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from multiprocessing import get_context
from typing import Final, Self

from app.domain.alerts import AlertThresholds
from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.simulation import SimulatedVault, SimulationPlan
from app.domain.units import WeiPerGas
from app.research.compact import CompactSeries
from app.research.sweep import Outcome, outcome

_QUEUED_PER_WORKER: Final = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """What all candidates of a sweep share."""

    vault: SimulatedVault | None
    blocks_per_batch: int
    previous_fee: WeiPerGas | None
    cost_alpha: Fraction | None
    thresholds: AlertThresholds

    def plan(self, parameters: Parameters) -> SimulationPlan:
        """The plan of one candidate."""
        return SimulationPlan(
            formula=FeeFormula.of(parameters),
            vault=self.vault,
            blocks_per_batch=self.blocks_per_batch,
            previous_fee=self.previous_fee,
            cost_alpha=self.cost_alpha,
        )


class Workers:
    """Processes that score candidates, each over any of several series."""

    def __init__(self, setting: Setting, series: Sequence[CompactSeries], count: int) -> None:
        self._count: Final = count
        self._pool: Final = ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_begin, initargs=(setting, series)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def outcomes(self, place: int, jobs: Iterable[tuple[int, Parameters]]) -> Iterator[tuple[int, Outcome]]:
        """The outcome of each job over the series at `place`, under its index, in the order in which they are done."""
        left = iter(jobs)
        running: set[Future[tuple[int, Outcome]]] = set()
        while True:
            room = self._count * _QUEUED_PER_WORKER - len(running)
            running |= {self._pool.submit(_run, place, *job) for job in islice(left, room)}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


_shared: list[tuple[Setting, Sequence[CompactSeries]]] = []
"""In a worker: what it was begun with."""


def _begin(setting: Setting, series: Sequence[CompactSeries]) -> None:
    _shared.append((setting, series))


def _run(place: int, index: int, parameters: Parameters) -> tuple[int, Outcome]:
    setting, series = _shared[0]
    return index, outcome(setting.plan(parameters), setting.thresholds, series[place])
