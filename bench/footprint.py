"""Resident memory and processor time of a running service."""

import subprocess
import sys
import time

from bench.processes import LIBRARY_IMPORTS
from bench.report import Figure
from tests.service import Service, bare_environment, wait_until

BLOCKS = 10_000
MEGABYTE = 1_000_000
CPU_WINDOW_SECONDS = 120
"""Ten slots."""


def _imports_resident_bytes() -> int:
    code = f"{LIBRARY_IMPORTS}\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=bare_environment())
    return int(done.stdout)


def memory() -> list[Figure]:
    """Resident memory after 10,000 devnet blocks, against the imports alone and against itself after 2,000."""
    with (
        Service("devnet", "--port", "0", "--block-time", "0.01", "--scenario", "spike") as devnet,
        Service(
            "serve",
            environment={
                "TAIKO_L1_RPC_URLS": devnet_url(devnet),
                "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
            },
        ) as service,
    ):
        first = wait_until(service.quote, "a first quote")["l1"]["blockNumber"]

        def after(blocks: int) -> int:
            wait_until(
                lambda: (service.quote() or {"l1": {"blockNumber": 0}})["l1"]["blockNumber"] >= first + blocks,
                f"{blocks} blocks",
                seconds=600,
            )
            return service.resident_bytes()

        early, late = after(2_000), after(BLOCKS)
    return [
        Figure(
            f"resident memory after {BLOCKS:,} devnet blocks",
            late / MEGABYTE,
            "MB",
            "importing the libraries alone",
            _imports_resident_bytes() / MEGABYTE,
            "130 MB",
            late <= 130 * MEGABYTE,
        ),
        Figure(
            "the same, flat",
            late / MEGABYTE,
            "MB",
            "after 2,000 blocks",
            early / MEGABYTE,
            "ratio 1.05",
            late <= 1.05 * early,
        ),
    ]


def processor() -> list[Figure]:
    """Processor time at one block per 12 s and the default poll interval, as a share of one core."""
    with (
        Service("devnet", "--port", "0", "--block-time", "12") as devnet,
        Service("serve", environment={"TAIKO_L1_RPC_URLS": devnet_url(devnet)}) as service,
    ):
        wait_until(service.quote, "a first quote")
        before, started = service.cpu_seconds(), time.monotonic()
        time.sleep(CPU_WINDOW_SECONDS)
        share = 100 * (service.cpu_seconds() - before) / (time.monotonic() - started)
    return [
        Figure(
            f"processor time at one block per 12 s, over {CPU_WINDOW_SECONDS} s",
            share,
            "% of a core",
            "a whole core",
            100,
            "1 %",
            share < 1,
        )
    ]


def devnet_url(devnet: Service) -> str:
    """Where a devnet that was started alone listens."""
    return str(devnet.event("devnet_listening")["url"])
