"""Many seeds at once, on as many processes as asked for."""

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.simulation.rig import Report, simulate
from tests.simulation.schedule import plan_of


@dataclass
class Tally:
    """What came of many runs."""

    runs: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Reports of the runs in which something did not hold."""

    def add(self, report: Report) -> None:
        """Count one run."""
        self.runs += 1
        self.seen.update(report.seen)
        if report.violations:
            self.failures.append(str(report))


def reports(seeds: Sequence[int], jobs: int = 1) -> Iterator[Report]:
    """The report of each seed, as it comes."""
    if jobs == 1:
        yield from map(_report, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_report, seeds, chunksize=8)


def tally(some: Iterable[Report]) -> Tally:
    """All of them counted."""
    total = Tally()
    for report in some:
        total.add(report)
    return total


def _report(seed: int) -> Report:
    return simulate(plan_of(seed))
