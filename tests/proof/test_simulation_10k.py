"""Ten thousand seeded runs, on every core."""

import os

from tests.simulation.many import reports, tally

RUNS = 10_000


def test_ten_thousand_runs_hold() -> None:
    total = tally(reports(range(RUNS), jobs=os.cpu_count() or 1))
    assert total.runs == RUNS
    assert total.failures == [], "\n\n".join(total.failures[:20])
