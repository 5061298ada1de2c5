"""Backtests: a year of L1 blocks, the growth with length, two cores, and what exactness costs."""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import Figure
from tests.service import bare_environment

YEAR_BLOCKS = 2_628_000
YEAR_SECONDS, YEAR_TABLE_SECONDS, YEAR_MEGABYTES = 12.0, 20.0, 400
ALTERNATIONS = 5
SWEPT_BLOCKS = 60_000
LENGTHS = (10_000, 100_000, 1_000_000, 10_000_000)
VAULT = ("--vault-balance-eth", "1000", "--vault-target-eth", "1000")


def write_history(path: Path, blocks: int) -> None:
    """Base fees that move as EIP-1559 lets them, around a quarter of a gwei."""
    chance = random.Random(1)  # noqa: S311 - a reproducible series
    base_fee = 250_000_000
    with path.open("w", encoding="ascii") as file:
        file.write("block_number,timestamp,basefee_wei\n")
        for number in range(blocks):
            file.write(f"{20_000_000 + number},{1_700_000_000 + 12 * number},{base_fee}\n")
            base_fee += base_fee * chance.randint(-1000, 1000) // 8_000
            base_fee = min(max(base_fee, 50_000_000), 10**12)


def run(*arguments: str) -> tuple[float, int]:
    """Processor seconds of one command on one core, and its greatest resident memory in bytes."""
    command = ["taskset", "--cpu-list", "0", sys.executable, "-m", "app", *arguments]
    process = subprocess.Popen(command, env=bare_environment(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def backtest() -> list[Figure]:
    """A year through `backtest`, with and without the table; the loops of fractions and floats in the same run."""
    with TemporaryDirectory() as directory:
        history, out = Path(directory) / "year.csv", Path(directory) / "out.csv"
        write_history(history, YEAR_BLOCKS)
        plain, memory = run("backtest", str(history), *VAULT)
        with_table, _ = run("backtest", str(history), *VAULT, "--out", str(out))
        floats = _loop(history, exact=False)
        fractions = _loop(history, exact=True, blocks=YEAR_BLOCKS // 20) * 20
    return [
        Figure(
            "a year of blocks, scorecard",
            plain,
            "s",
            "a loop of floats, no scorecard",
            floats,
            "12 s",
            plain <= YEAR_SECONDS,
        ),
        Figure(
            "the same with the table written",
            with_table,
            "s",
            "without the table",
            plain,
            "20 s",
            with_table <= YEAR_TABLE_SECONDS,
        ),
        Figure(
            "memory of a year",
            memory / 1e6,
            "MB",
            "bytes a block",
            memory / YEAR_BLOCKS,
            "400 MB",
            memory <= YEAR_MEGABYTES * 10**6,
        ),
        Figure(
            "a loop of fractions, no scorecard", fractions, "s", "ours", plain, "slower than ours", fractions > plain
        ),
    ]


def growth() -> list[Figure]:
    """Time from ten thousand to ten million blocks: microseconds a block at each length."""
    found: list[float] = []
    with TemporaryDirectory() as directory:
        for blocks in LENGTHS:
            history = Path(directory) / f"{blocks}.csv"
            write_history(history, blocks)
            start, _ = run("backtest", str(_of_one_block(history)), *VAULT)
            seconds, _ = run("backtest", str(history), *VAULT)
            found.append((seconds - start) / blocks * 1e6)
            history.unlink()
    return [
        Figure(
            f"time a block at {blocks:,} blocks",
            each,
            "µs",
            f"at {LENGTHS[0]:,}",
            found[0],
            "within 1.3 of the shortest",
            each <= 1.3 * found[0],
        )
        for blocks, each in zip(LENGTHS[1:], found[1:], strict=True)
    ]


def sweep() -> list[Figure]:
    """A sweep with one worker and with two, in turn; the best of each, since others use these cores too."""
    with TemporaryDirectory() as directory:
        history = Path(directory) / "month.csv"
        write_history(history, SWEPT_BLOCKS)
        search = (
            "sweep",
            str(history),
            *VAULT,
            "--vary",
            "alphaData=0.12..0.24/0.01",
            "--vary",
            "deficitWeight=0,0.2,0.4",
            "--base-fee-gwei",
            "0",
        )
        turns = [[_elapsed(*search, "--workers", workers) for workers in ("1", "2")] for _ in range(ALTERNATIONS)]
    one, two = map(min, zip(*turns, strict=True))
    ratio = one / two
    return [
        Figure(
            f"sweep of {SWEPT_BLOCKS:,} blocks with two workers, best of {ALTERNATIONS}",
            two,
            "s",
            "with one worker",
            one,
            "ratio 0.588 (1.7 times as fast)",
            ratio >= 1.7,
        )
    ]


def _elapsed(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "app", *arguments], check=False, env=bare_environment(), stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began


def _of_one_block(history: Path) -> Path:
    """The start of the program alone."""
    one = history.with_suffix(".one")
    with history.open(encoding="ascii") as file:
        one.write_text(file.readline() + file.readline(), encoding="ascii")
    return one


def _loop(history: Path, *, exact: bool, blocks: int = YEAR_BLOCKS) -> float:
    """The formula and the vault in the plainest way, with fractions or with floats, without any scorecard."""
    number = Fraction if exact else float
    alpha, nu, base = number(Fraction("0.18")), number(Fraction("0.2")), number(1_500_000_000)
    gas, proof, horizon = number(690_000), number(180_000), number(72)
    target = balance = number(1_000 * 10**18)
    began = time.process_time()
    for base_fee in _base_fees(history, blocks):
        fee = alpha * base_fee + nu * max(number(0), target - balance) / (horizon * gas) + proof * base_fee / gas + base
        cost = (alpha * gas + proof) * base_fee
        balance += fee * gas - min(cost, balance)
    return time.process_time() - began


def _base_fees(history: Path, blocks: int) -> Iterator[int]:
    pattern = re.compile(r"(\d+),(\d+),(\d+)")
    with history.open(encoding="ascii") as file:
        next(file)
        for _, line in zip(range(blocks), file, strict=False):
            match = pattern.match(line)
            assert match is not None
            yield int(match[3])
