"""From a new head on anvil to the new quote served."""

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.report import Figure, percentile
from tests.service import Service
from tests.world.anvil import running_anvil
from tests.world.series import LONG_FRESHNESS

BLOCKS = 200
POLL_INTERVAL_SECONDS = 0.5


def head_to_quote() -> list[Figure]:
    """Mines at random moments and waits for the quote. The baseline is what no poller can beat: its interval."""
    chance = random.Random(1)  # noqa: S311 - a reproducible spread, not a secret
    waits = []
    with (
        TemporaryDirectory() as directory,
        running_anvil(Path(directory), genesis_timestamp=int(time.time()) - 3600) as anvil,
        Service(
            "serve",
            environment={
                "TAIKO_L1_RPC_URLS": anvil.url,
                "TAIKO_POLL_INTERVAL_SECONDS": str(POLL_INTERVAL_SECONDS),
                **LONG_FRESHNESS,
            },
        ) as service,
    ):
        service.event("first_quote")
        with httpx.Client(base_url=service.client.base_url) as reader:
            for _ in range(BLOCKS):
                time.sleep(chance.random() * POLL_INTERVAL_SECONDS)
                mined = time.perf_counter()
                number = int(anvil.mine(interval_seconds=1)["number"], 16)
                while reader.get("/v1/fee").json()["l1"]["blockNumber"] < number:
                    time.sleep(0.001)
                waits.append(time.perf_counter() - mined)
    value = percentile(waits, 0.99)
    limit = POLL_INTERVAL_SECONDS + 0.05
    return [
        Figure(
            f"new head on anvil to quote served, p99 of {BLOCKS}, poll interval {POLL_INTERVAL_SECONDS} s",
            value,
            "s",
            "the poll interval",
            POLL_INTERVAL_SECONDS,
            "poll interval + 0.05 s",
            value <= limit,
        )
    ]
