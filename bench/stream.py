"""The stream with a thousand readers: how long a new quote takes to the last of them, and what they cost."""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx

from bench.footprint import devnet_url
from bench.report import Figure, percentile
from tests.service import Service, bare_environment, wait_until

READERS = 1_000
EVENTS = 200
BLOCK_SECONDS = 0.5
SERVER_CORE, CLIENT_CORE = 0, 1
ALTERNATIONS = 9
WRK_SECONDS = 3
BARE_PORT = 8699
KILOBYTE = 1_000
SETTLING_SECONDS = 2


class Readers:
    """`READERS` connections to one stream, in a process on the other core."""

    def __init__(self, url: str, path: str) -> None:
        where = httpx.URL(url)
        arguments = ("bench.stream_readers", where.host, str(where.port), path, str(READERS))
        self._process = subprocess.Popen(
            pinned(CLIENT_CORE, sys.executable, "-m", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"connected\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def delays(self) -> list[float]:
        """Leave; how long each event took from when it was made to the last reader, in seconds."""
        output, _ = self._process.communicate(b"")
        delays: list[float] = json.loads(output)
        return delays


def pinned(core: int, *command: str) -> tuple[str, ...]:
    """`command` on one core."""
    return ("taskset", "-c", str(core), *command)


def stream() -> list[Figure]:
    """The fan-out and its memory against a bare server of events, and GET /v1/fee beside idle readers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with quoting(block_seconds=BLOCK_SECONDS) as service:
        ours, ours_bytes = _measured(service.process.pid, str(service.client.base_url), "/v1/fee/stream")
    with _bare() as (process_id, url):
        bare, bare_bytes = _measured(process_id, url, "/")
    return [
        _delay("p99", percentile(ours, 0.99), percentile(bare, 0.99)),
        _delay("median", statistics.median(ours), statistics.median(bare)),
        Figure(
            f"resident memory of one of {READERS:,} readers",
            ours_bytes / READERS / KILOBYTE,
            "KB",
            "a bare ASGI app's",
            bare_bytes / READERS / KILOBYTE,
            "30 KB",
            ours_bytes <= 30 * KILOBYTE * READERS,
        ),
        _beside_idle_readers(),
    ]


def _delay(what: str, value: float, bare: float) -> Figure:
    return Figure(
        f"new quote to the last of {READERS:,} readers of the stream, {what} of {EVENTS}",
        1_000 * value,
        "ms",
        "a bare ASGI app's event",
        1_000 * bare,
        "150 ms",
        value <= 0.15,
    )


def _measured(process_id: int, url: str, path: str) -> tuple[list[float], int]:
    """The delays of the events, and the memory that the readers took in all, in bytes."""
    before = _resident_bytes(process_id)
    with Readers(url, path) as readers:
        time.sleep(EVENTS * BLOCK_SECONDS + SETTLING_SECONDS)
        taken = _resident_bytes(process_id) - before
        delays = readers.delays()
    assert len(delays) >= EVENTS * 3 // 4, f"only {len(delays)} events came to all readers"
    return delays[:EVENTS], taken


def _beside_idle_readers() -> Figure:
    alone, beside = [], []
    with quoting(block_seconds=12) as service:
        url = str(service.client.base_url)
        for _ in range(ALTERNATIONS):
            alone.append(_requests_per_second(url))
            with Readers(url, "/v1/fee/stream"):
                time.sleep(SETTLING_SECONDS)
                beside.append(_requests_per_second(url))
            time.sleep(SETTLING_SECONDS)
    value, baseline = statistics.median(beside), statistics.median(alone)
    return Figure(
        f"GET /v1/fee beside {READERS:,} idle readers, median of {ALTERNATIONS}",
        value,
        "requests/s",
        "the same without them",
        baseline,
        "ratio 0.9",
        value >= 0.9 * baseline,
    )


def _requests_per_second(url: str) -> float:
    command = pinned(CLIENT_CORE, "wrk", "-t", "1", "-c", "32", "-d", f"{WRK_SECONDS}s", f"{url}/v1/fee")
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    assert found is not None, output
    assert "Non-2xx" not in output, output
    return float(found[1])


@contextmanager
def quoting(*, block_seconds: float) -> Iterator[Service]:
    """The service on one core, over a devnet on the other; it quotes, and has done so for a moment."""
    command = pinned(CLIENT_CORE, sys.executable, "-m", "app")
    ours = pinned(SERVER_CORE, sys.executable, "-m", "app")
    with Service("devnet", "--port", "0", "--block-time", str(block_seconds), command=command) as devnet:
        environment = {"TAIKO_L1_RPC_URLS": devnet_url(devnet), "TAIKO_POLL_INTERVAL_SECONDS": "0.1"}
        if block_seconds >= 1:
            del environment["TAIKO_POLL_INTERVAL_SECONDS"]
        with Service("serve", environment=environment, command=ours) as service:
            wait_until(service.quote, "a quote")
            _requests_per_second(str(service.client.base_url))
            yield service


@contextmanager
def _bare() -> Iterator[tuple[int, str]]:
    command = pinned(SERVER_CORE, sys.executable, "-m", "bench.stream_bare", str(BLOCK_SECONDS), str(BARE_PORT))
    url = f"http://127.0.0.1:{BARE_PORT}"
    with subprocess.Popen(command, env=bare_environment()) as process:
        try:
            wait_until(lambda: _listens(url), "the bare server")
            yield process.pid, url
        finally:
            process.kill()


def _listens(url: str) -> bool:
    try:
        with httpx.stream("GET", url):
            return True
    except httpx.ConnectError:
        return False


def _resident_bytes(process_id: int) -> int:
    with open(f"/proc/{process_id}/statm") as file:  # noqa: PTH123 - as short as it gets
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
