"""The image: its size, its start and its memory at rest, against the base image and the same service outside."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.report import Figure
from tests.container.engine import BASE_IMAGE, ORACLE_IMAGE, Engine, answers
from tests.service import Service, wait_until

RUNS = 5
REST_SECONDS = 30
MEGABYTE = 1_000_000
PROJECT = Path(__file__).parents[1]
NOTHING_COMPILED = ("--env", "PYTHONPYCACHEPREFIX=/nowhere")
"""Python then looks for compiled modules where there are none."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the command to two first answers, and resident bytes once the service has rested."""

    ready: float
    quote: float
    resident: int


def container() -> list[Figure]:
    """Size, start and memory of the image, run as hardened as it should be, on the embedded devnet."""
    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as directory, Engine(Path(directory)) as engine:
        engine.make_base_image()
        engine.build(PROJECT)
        size, base = (
            int(engine.run("podman", "image", "inspect", "--format", "{{.Size}}", image))
            for image in (ORACLE_IMAGE, BASE_IMAGE)
        )
        inside, outside, uncompiled = [], [], []
        for run in range(RUNS):
            rest = REST_SECONDS if run == RUNS - 1 else 0
            outside.append(_outside(rest))
            inside.append(_inside(engine, rest))
            uncompiled.append(_inside(engine, 0, *NOTHING_COMPILED))
    ready, quote = _median(inside, lambda start: start.ready), _median(inside, lambda start: start.quote)
    return [
        Figure(
            "size of the image",
            size / MEGABYTE,
            "MB",
            "its base alone (a stand-in)",
            base / MEGABYTE,
            "base + 160 MB",
            size <= base + 160 * MEGABYTE,
        ),
        Figure(
            f"`podman run` to the first 200 of `/readyz` (embedded devnet), median of {RUNS}",
            ready,
            "s",
            "the same service outside",
            _median(outside, lambda start: start.ready),
            "4 s",
            ready <= 4,
        ),
        Figure(
            "the same, to the first quote",
            quote,
            "s",
            "the same service outside",
            _median(outside, lambda start: start.quote),
            "4 s",
            quote <= 4,
        ),
        Figure(
            "the same",
            quote,
            "s",
            "the image with nothing compiled",
            uncompiled_quote := _median(uncompiled, lambda start: start.quote),
            "ratio 0.7",
            quote <= 0.7 * uncompiled_quote,
        ),
        Figure(
            f"resident memory in the container, {REST_SECONDS} s after the first quote",
            inside[-1].resident / MEGABYTE,
            "MB",
            "the same service outside",
            outside[-1].resident / MEGABYTE,
            "150 MB",
            inside[-1].resident <= 150 * MEGABYTE,
        ),
    ]


def _median(starts: list[Start], seconds: Callable[[Start], float]) -> float:
    return statistics.median(map(seconds, starts))


def _first_answers(address: str, started: float) -> tuple[float, float]:
    wait_until(lambda: answers(f"{address}/readyz"), "a ready service", seconds=60)
    ready = time.perf_counter() - started
    wait_until(lambda: answers(f"{address}/v1/fee"), "a quote", seconds=60)
    return ready, time.perf_counter() - started


def _inside(engine: Engine, rest: float, *options: str) -> Start:
    started = time.perf_counter()
    name = engine.start("serve", "--devnet", options=options)
    ready, quote = _first_answers(engine.address(name), started)
    time.sleep(rest)
    process = engine.run("podman", "inspect", "--format", "{{.State.Pid}}", name)
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    engine.run("podman", "rm", "--force", "--time", "0", name)
    return Start(ready, quote, pages * os.sysconf("SC_PAGE_SIZE"))


def _outside(rest: float) -> Start:
    started = time.perf_counter()
    with Service("serve", "--devnet") as service:
        ready, quote = _first_answers(str(service.event("http_listening")["url"]), started)
        time.sleep(rest)
        return Start(ready, quote, service.resident_bytes())
