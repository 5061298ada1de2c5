"""Research on a live oracle and its devnet: its journal backtested, its answers checked, its L1's past fetched."""

import csv
import hashlib
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.reference import alpha_fee
from tests.service import Service, bare_environment, wait_until

VAULT = {"TAIKO_VAULT_BALANCE_ETH": "9.9", "TAIKO_VAULT_TARGET_ETH": "10"}
LIMITS = {"TAIKO_MAX_FEE_INCREASE": "0.002", "TAIKO_MAX_FEE_DECREASE": "0.002"}
PATHS: dict[str, dict[str, str]] = {"no limit": {}, "rate limit": LIMITS}
FAST = {"TAIKO_POLL_INTERVAL_SECONDS": "0.1"}


def execute(*arguments: str, directory: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    completed = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=directory,
        env=bare_environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in completed.stderr
    return completed


def journal_of(directory: Path) -> dict[str, str]:
    return {"TAIKO_STATE_URL": f"sqlite:///{directory}/journal.db"}


def blocks_journaled(directory: Path, environ: Mapping[str, str]) -> int:
    verified = execute("verify", "--json", directory=directory, environ=environ)
    assert verified.returncode == 0, verified.stderr
    return int(json.loads(verified.stdout)["entries"])


def after_blocks(service: Service, count: int) -> dict[str, Any]:
    """A quote that is so many blocks after the one that is served now."""
    first = wait_until(service.quote, "a quote")["l1"]["blockNumber"]

    def probe() -> dict[str, Any] | None:
        quote = service.quote()
        return quote if quote and quote["l1"]["blockNumber"] >= first + count else None

    return wait_until(probe, f"{count} more blocks")


def backtested(directory: Path, environ: Mapping[str, str], *options: str) -> dict[str, Any]:
    completed = execute("backtest", "--journal", "--json", *options, directory=directory, environ=environ)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    document: dict[str, Any] = json.loads(completed.stdout)
    return document


@contextmanager
def a_devnet(*arguments: str) -> Iterator[str]:
    with Service("devnet", "--port", "0", *arguments) as node:
        yield str(node.event("devnet_listening")["url"])


def oracle_on(url: str, environ: Mapping[str, str]) -> Service:
    return Service("serve", environment={"TAIKO_L1_RPC_URLS": f"node={url}", **FAST, **environ})


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_journal_of_a_live_service_comes_out_to_the_wei_while_it_runs(tmp_path: Path, path: dict[str, str]) -> None:
    environ = {**VAULT, **path, **journal_of(tmp_path)}
    arguments = ("serve", "--devnet", "--devnet-block-time", "0.2", "--devnet-scenario", "spike")
    with Service(*arguments, environment={**environ, **FAST}) as service:
        served = after_blocks(service, 12)
        after_blocks(service, 1)
        document = backtested(tmp_path, environ, "--out", "table.csv")
        assert service.process.poll() is None
    agreement, card = document["agreement"], document["scorecard"]
    assert agreement["comparableQuotes"] == card["blocks"] > 12
    assert agreement["identicalQuotes"] == card["blocks"]
    assert (agreement["otherParameters"], agreement["otherDeficit"], agreement["otherPath"]) == (0, 0, 0)
    if path:
        assert card["fee"]["blocksAtBound"]["rate_up"] + card["fee"]["blocksAtBound"]["rate_down"] > 0
    with (tmp_path / "table.csv").open(newline="") as table:
        row = next(row for row in csv.DictReader(table) if int(row["block_number"]) == served["l1"]["blockNumber"])
    assert int(row["fee_per_gas"]) == served["feePerGas"]
    assert int(row["l1_basefee_wei"]) == served["l1"]["baseFeePerGas"]


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_after_a_change_of_parameters_every_comparable_quote_is_still_identical(
    tmp_path: Path, path: dict[str, str]
) -> None:
    environ = {**VAULT, **path, **journal_of(tmp_path)}
    changed = {**environ, "TAIKO_ALPHA_DATA": "0.19"}
    with a_devnet("--block-time", "0.2") as url:
        with oracle_on(url, environ) as service:
            after_blocks(service, 5)
            assert service.stop() == 0
        before = blocks_journaled(tmp_path, environ)
        with oracle_on(url, changed) as service:
            after_blocks(service, 8)
            agreement = backtested(tmp_path, changed)["agreement"]
            earlier = backtested(tmp_path, environ)["agreement"]
    assert agreement["otherParameters"] == before
    assert agreement["comparableQuotes"] == agreement["identicalQuotes"]
    assert earlier["comparableQuotes"] == earlier["identicalQuotes"] == before
    assert earlier["otherParameters"] > 5
    if not path:
        assert agreement["comparableQuotes"] > 5


@pytest.fixture(scope="module")
def oracle() -> Iterator[tuple[Service, str]]:
    """A running oracle, and the URL of its devnet."""
    arguments = ("serve", "--devnet", "--devnet-block-time", "1")
    with Service(*arguments, environment={**VAULT, **FAST}) as service:
        wait_until(service.quote, "a quote")
        yield service, str(service.event("devnet_listening")["url"])


class TestLive:
    """`validate --url` against a running oracle and its devnet."""

    def test_an_honest_oracle_and_its_l1_pass(self, oracle: tuple[Service, str], tmp_path: Path) -> None:
        service, l1 = oracle
        url = service.event("http_listening")["url"]
        completed = execute("validate", "--url", url, directory=tmp_path, environ={"TAIKO_L1_RPC_URLS": l1})
        assert completed.returncode == 0, completed.stdout + completed.stderr
        assert completed.stderr == ""
        found = [line.split()[0] for line in completed.stdout.splitlines()]
        assert found == ["ok"] * 11
        assert "L1 agrees" in completed.stdout

    def test_without_an_l1_it_is_said_that_none_was_asked(self, oracle: tuple[Service, str], tmp_path: Path) -> None:
        url = oracle[0].event("http_listening")["url"]
        completed = execute("validate", "--url", f"{url}/", "--json", directory=tmp_path, environ={})
        assert completed.returncode == 0
        assert "TAIKO_L1_RPC_URLS is not set, so the L1 is not asked" in completed.stderr
        assert "L1 agrees" not in {check["name"] for check in json.loads(completed.stdout)["checks"]}

    def test_a_watch_looks_again_and_shows_each_look_at_once(self, oracle: tuple[Service, str], tmp_path: Path) -> None:
        service, l1 = oracle
        url = service.event("http_listening")["url"]
        arguments = ("validate", "--url", url, "--watch", "1s", "--for", "3s", "--json")
        environ = {**bare_environment(TAIKO_L1_RPC_URLS=l1)}
        del environ["PYTHONUNBUFFERED"]
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "app", *arguments], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert process.poll() is None, "the first look is shown before the watch is over"
            looks = [json.loads(line) for line in (first, *process.stdout)]
        assert process.returncode == 0
        assert 2 <= len(looks) <= 4
        assert time.monotonic() - began < 10
        assert all(look["ok"] for look in looks)
        times = [look["at"] for look in looks]
        assert all(later - earlier >= 1_000 for earlier, later in pairwise(times))
        blocks = {check["detail"] for look in looks for check in look["checks"] if check["name"] == "fresh"}
        assert len(blocks) > 1, "each look is at another block"

    def test_another_l1_is_told(self, oracle: tuple[Service, str], tmp_path: Path) -> None:
        url = oracle[0].event("http_listening")["url"]
        with a_devnet("--seed", "7", "--block-time", "0", "--history-blocks", "1000") as other:
            completed = execute("validate", "--url", url, directory=tmp_path, environ={"TAIKO_L1_RPC_URLS": other})
        assert completed.returncode == 1
        (line,) = [line for line in completed.stdout.splitlines() if "L1 agrees" in line]
        assert line.startswith("failed")

    def test_thresholds_of_ours_that_it_does_not_keep_end_with_1(
        self, oracle: tuple[Service, str], tmp_path: Path
    ) -> None:
        url = oracle[0].event("http_listening")["url"]
        completed = execute("validate", "--url", url, "--alert-fee-min-gwei", "49", directory=tmp_path, environ={})
        assert completed.returncode == 1
        assert "failed  fee within the alert's range" in completed.stdout


def test_an_oracle_that_is_gone_ends_with_4(tmp_path: Path) -> None:
    with Service("serve", "--devnet", environment=FAST) as service:
        wait_until(service.quote, "a quote")
        url = service.event("http_listening")["url"]
        assert service.stop() == 0
    completed = execute("validate", "--url", url, directory=tmp_path, environ={})
    assert (completed.returncode, completed.stdout) == (4, "")
    assert completed.stderr.startswith("error: --url does not answer /v1/fee: ")
    assert "Connection refused" in completed.stderr


def test_an_l1_that_is_gone_ends_with_4(tmp_path: Path) -> None:
    with Service("serve", "--devnet", environment=FAST) as service:
        wait_until(service.quote, "a quote")
        url = service.event("http_listening")["url"]
        environ = {"TAIKO_L1_RPC_URLS": "gone=http://127.0.0.1:1"}
        completed = execute("validate", "--url", url, directory=tmp_path, environ=environ)
    assert completed.returncode == 4
    assert "gone: unreachable" in completed.stderr


def test_a_server_that_is_no_oracle_ends_with_4(tmp_path: Path) -> None:
    with a_devnet("--block-time", "0") as url:
        completed = execute("validate", "--url", url, directory=tmp_path, environ={})
    assert (completed.returncode, completed.stdout) == (4, "")
    assert completed.stderr.startswith("error: --url answers /v1/fee with HTTP 404: ")


def test_the_past_of_a_devnet_is_fetched_and_backtested(tmp_path: Path) -> None:
    with a_devnet("--block-time", "0", "--history-blocks", "300", "--scenario", "spike") as url:
        environ = {"TAIKO_L1_RPC_URLS": url}
        arguments = ("--from-block", "10", "--to-block", "290", "--chunk", "64", "--out", "h.csv")
        fetched = execute("fetch-history", *arguments, "--json", directory=tmp_path, environ=environ)
        assert fetched.returncode == 0, fetched.stderr
        beyond = ("--from-block", "10", "--to-block", "9000", "--out", "beyond.csv")
        refused = execute("fetch-history", *beyond, directory=tmp_path, environ=environ)
    manifest = json.loads(fetched.stdout)
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "h.csv").read_bytes()).hexdigest()
    assert (manifest["network"], manifest["blocks"]) == ("devnet", 281)
    assert refused.returncode == 4
    assert not (tmp_path / "beyond.csv").exists()
    assert execute("backtest", "h.csv", "--out", "out.csv", directory=tmp_path, environ={}).returncode == 0
    with (tmp_path / "h.csv").open(newline="") as history, (tmp_path / "out.csv").open(newline="") as table:
        blocks, rows = list(csv.DictReader(history)), list(csv.DictReader(table))
    assert [int(block["block_number"]) for block in blocks] == list(range(10, 291))
    for block, row in zip(blocks, rows, strict=True):
        assert (row["block_number"], row["timestamp"]) == (block["block_number"], block["timestamp"])
        assert int(row["fee_per_gas"]) == alpha_fee(int(block["basefee_wei"]))


def test_progress_is_shown_on_a_terminal_alone(tmp_path: Path) -> None:
    arguments = ("backtest", "--scenario", "calm", "--blocks", "5000", "--json")
    assert execute(*arguments, directory=tmp_path, environ={}).stderr == ""
    leader, terminal = pty.openpty()
    try:
        completed = subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=tmp_path,
            env=bare_environment(),
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
            check=True,
        )
        shown = os.read(leader, 10_000).decode()
    finally:
        os.close(leader)
        os.close(terminal)
    assert "100 %, 5,000 of 5,000" in shown
    assert json.loads(completed.stdout)["scorecard"]["blocks"] == 5_000
