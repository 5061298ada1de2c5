"""Run the simulation from a shell.

python -m tests.simulation --seed 123 --verbose      one run, told as it goes
python -m tests.simulation --seeds 0-9999 --jobs 2   many; exits 1 if anything did not hold
"""

import argparse
import sys
import time

from tests.simulation.many import Tally, reports
from tests.simulation.rig import simulate
from tests.simulation.schedule import plan_of


def main(arguments: list[str]) -> int:
    """0 where everything held, 1 where something did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="A simulation of the engine.")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--seed", type=int, help="replay one run")
    chosen.add_argument("--seeds", type=_range, metavar="FIRST-LAST", help="many runs")
    parser.add_argument("--jobs", type=int, default=1, help="processes (with --seeds)")
    parser.add_argument("--verbose", action="store_true", help="say what happens (with --seed)")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        report = simulate(plan_of(asked.seed), trace=_say if asked.verbose else None)
        _say(str(report))
        return 1 if report.violations else 0
    return _many(asked.seeds, asked.jobs)


def _many(seeds: range, jobs: int) -> int:
    started = time.monotonic()
    total = Tally()
    for report in reports(seeds, jobs):
        total.add(report)
        if report.violations:
            _say(f"{report}\n")
    for what, count in sorted(total.seen.items()):
        _say(f"{count:>12,} {what}")
    elapsed = time.monotonic() - started
    _say(f"{total.runs} runs, {len(total.failures)} of them with something that did not hold, in {elapsed:.0f} s")
    return 1 if total.failures else 0


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
