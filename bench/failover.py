"""From the loss of the first provider to a fresh quote from the next one."""

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import Figure, percentile
from tests.proxy import Blackhole, Fault, FaultProxy, Refuse
from tests.service import Service
from tests.world.anvil import Anvil, running_anvil
from tests.world.series import LONG_FRESHNESS

TRIALS = 15
POLL_INTERVAL_SECONDS = 1.0
RPC_TIMEOUT_SECONDS = 1.0
PUSH_POLL_INTERVAL_SECONDS = 6.0
"""So slow that only a push can be in time."""


def failover() -> list[Figure]:
    """Loses the first of two providers at random moments. The baseline is what a poller cannot beat."""
    limit = POLL_INTERVAL_SECONDS + RPC_TIMEOUT_SECONDS
    rows = (
        ("its connections refused, by polling", "http", Refuse(), POLL_INTERVAL_SECONDS, limit),
        ("it answers nothing, by polling", "http", Blackhole(), POLL_INTERVAL_SECONDS, limit),
        ("its connections refused, by push", "ws", Refuse(), PUSH_POLL_INTERVAL_SECONDS, 1.0),
    )
    figures = []
    for what, scheme, fault, interval, target in rows:
        waits = _waits(scheme, fault, interval)
        value = percentile(waits, 0.99)
        figures.append(
            Figure(
                f"first provider lost ({what}) to a quote of a new head from the next, worst of {TRIALS},"
                f" poll interval {interval:g} s, timeout {RPC_TIMEOUT_SECONDS:g} s",
                value,
                "s",
                "the poll interval",
                interval,
                f"{target:g} s",
                value <= target,
            )
        )
    return figures


def _waits(scheme: str, fault: Fault, interval: float) -> list[float]:
    chance = random.Random(1)  # noqa: S311 - a reproducible spread, not a secret
    with (
        TemporaryDirectory() as directory,
        running_anvil(Path(directory), genesis_timestamp=int(time.time()) - 3600) as anvil,
    ):
        anvil.mine(3, interval_seconds=1)
        return [_wait(anvil, scheme, fault, interval, chance.random()) for _ in range(TRIALS)]


def _wait(anvil: Anvil, scheme: str, fault: Fault, interval: float, share: float) -> float:
    with (
        FaultProxy(anvil.port) as first,
        Service(
            "serve",
            environment={
                "TAIKO_L1_RPC_URLS": f"first={scheme}://127.0.0.1:{first.port},next={scheme}://127.0.0.1:{anvil.port}/",
                "TAIKO_POLL_INTERVAL_SECONDS": str(interval),
                "TAIKO_RPC_TIMEOUT_SECONDS": str(RPC_TIMEOUT_SECONDS),
                **LONG_FRESHNESS,
            },
        ) as service,
    ):
        number = int(anvil.mine(interval_seconds=1)["number"], 16)
        service.quote_for(number)
        time.sleep(1 + share * POLL_INTERVAL_SECONDS)
        first.fault = fault
        first.cut()
        lost = time.perf_counter()
        number = int(anvil.mine(interval_seconds=1)["number"], 16)
        while service.get("/v1/fee").json()["l1"]["blockNumber"] < number:
            time.sleep(0.001)
        return time.perf_counter() - lost
