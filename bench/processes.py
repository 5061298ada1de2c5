"""Timings of whole commands, and of the imports inside them."""

import statistics
import subprocess
import sys
import time

from bench.report import Figure
from tests.service import Service, bare_environment

RUNS = 9
LIBRARY_IMPORTS = "import web3, fastapi, uvicorn, prometheus_client, structlog"


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=bare_environment())
    return time.perf_counter() - started


def quote_command() -> list[Figure]:
    """`quote` with a given base fee, against a bare interpreter, alternating."""
    bare, ours = [], []
    for _ in range(RUNS):
        bare.append(_seconds(sys.executable, "-c", "pass"))
        ours.append(_seconds(sys.executable, "-m", "app", "quote", "--l1-base-fee-gwei", "25"))
    value = statistics.median(ours)
    return [
        Figure(
            "`quote --l1-base-fee-gwei 25`, median of 9",
            value,
            "s",
            "`python -c pass`",
            statistics.median(bare),
            "0.4 s",
            value <= 0.4,
        )
    ]


def start() -> list[Figure]:
    """Start of the process to its first quote, against the imports of its libraries alone, alternating."""
    imports, first_quotes = [], []
    for _ in range(RUNS):
        imports.append(_seconds(sys.executable, "-c", LIBRARY_IMPORTS))
        started = time.perf_counter()
        with Service("serve", "--devnet") as service:
            service.event("first_quote")
            first_quotes.append(time.perf_counter() - started)
    value = statistics.median(first_quotes)
    return [
        Figure(
            "start to first quote (embedded devnet), median of 9",
            value,
            "s",
            "importing the libraries alone",
            statistics.median(imports),
            "3 s",
            value <= 3,
        )
    ]
