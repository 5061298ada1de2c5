"""`GET /v1/fee` beside simulations without end: what the readers of the fee notice of them."""

import json
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import httpx

from app.api.simulating import AT_ONCE, SECONDS
from app.api.simulation_request import MOST_BLOCKS
from bench.http import ALTERNATIONS, CONNECTIONS, Runs, loaded
from bench.report import Figure, percentile
from bench.stream import CLIENT_CORE, quoting

CALM_READS = 200
CALM_PAUSE_SECONDS = 0.01
DAY = json.dumps(
    {
        "series": {
            "l1BaseFeesPerGas": [25_000_000_000 + 7 * index for index in range(MOST_BLOCKS)],
            "timestamps": [1_764_157_415 + 12 * index for index in range(MOST_BLOCKS)],
        },
        "vault": {"balanceWei": str(950 * 10**18), "targetWei": str(1_000 * 10**18)},
    }
).encode()
JSON = {"Content-Type": "application/json"}


def simulations() -> list[Figure]:
    """Readers with and without as many simulations of a posted day as may run, in turn."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    alone, beside = Runs(), Runs()
    calm_alone: list[float] = []
    calm_beside: list[float] = []
    made: list[float] = []
    with quoting(block_seconds=12) as service:
        url = str(service.client.base_url)
        for _ in range(ALTERNATIONS):
            _take(url, alone, calm_alone)
            with _simulating(url, made):
                _take(url, beside, calm_beside)
    return [
        Figure(
            f"GET /v1/fee beside {AT_ONCE} simulations, {CONNECTIONS} connections, median of {ALTERNATIONS}",
            beside.throughput,
            "requests/s",
            "the same without them",
            alone.throughput,
            "ratio 0.75",
            beside.throughput >= 0.75 * alone.throughput,
        ),
        Figure(
            "the same, p99",
            beside.p99,
            "ms",
            "without them",
            alone.p99,
            "5 ms more",
            beside.p99 <= alone.p99 + 5,
        ),
        Figure(
            f"one reader beside {AT_ONCE} simulations, p99 of {ALTERNATIONS * CALM_READS}",
            1_000 * percentile(calm_beside, 0.99),
            "ms",
            "without them",
            1_000 * percentile(calm_alone, 0.99),
            "5 ms more",
            percentile(calm_beside, 0.99) <= percentile(calm_alone, 0.99) + 0.005,
        ),
        Figure(
            "a posted day of blocks simulated, beside all of these readers, median",
            statistics.median(made),
            "s",
            "the time that it may take",
            SECONDS,
            f"{SECONDS:g} s",
            max(made) <= SECONDS,
        ),
    ]


def _take(url: str, runs: Runs, calm: list[float]) -> None:
    throughput, p99 = loaded(f"{url}/v1/fee")
    runs.requests_per_second.append(throughput)
    runs.p99_millis.append(p99)
    with httpx.Client(base_url=url) as client:
        client.get("/v1/fee")
        for _ in range(CALM_READS):
            time.sleep(CALM_PAUSE_SECONDS)
            began = time.perf_counter()
            client.get("/v1/fee")
            calm.append(time.perf_counter() - began)


@contextmanager
def _simulating(url: str, made: list[float]) -> Iterator[None]:
    """As many simulations as may run, one after the other by each of as many clients."""
    over = Event()

    def client() -> None:
        with httpx.Client(base_url=url, timeout=60) as connection:
            while not over.is_set():
                began = time.perf_counter()
                assert connection.post("/v1/simulate", content=DAY, headers=JSON).status_code == 200
                made.append(time.perf_counter() - began)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(client) for _ in range(AT_ONCE)]
        try:
            yield
        finally:
            over.set()
            for each in running:
                each.result()
