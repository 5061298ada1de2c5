"""Runs benchmarks by name and prints their rows."""

import argparse
import sys
from collections.abc import Callable

from bench import backtest, container, failover, footprint, http, latency, processes, simulations, stream
from bench.report import HEADER, Figure

BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "head-to-quote": latency.head_to_quote,
    "failover": failover.failover,
    "start": processes.start,
    "quote-command": processes.quote_command,
    "backtest": backtest.backtest,
    "backtest-growth": backtest.growth,
    "sweep": backtest.sweep,
    "memory": footprint.memory,
    "processor": footprint.processor,
    "container": container.container,
    "http": http.http,
    "stream": stream.stream,
    "simulations": simulations.simulations,
}


def main() -> int:
    """Run what was named, or everything; 1 where a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    print(HEADER, flush=True)
    held = True
    for name in names:
        for figure in BENCHMARKS[name]():
            print(figure.row, flush=True)
            held = held and figure.held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
