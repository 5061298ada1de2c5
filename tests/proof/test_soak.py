"""A day of blocks with faults sprinkled in: nothing grows that should not, and the journal holds at the end."""

import json
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx

from tests.proxy import PASS, Blackhole, Delay, FaultProxy, Garble, Refuse, Truncate
from tests.recorder import Recorder
from tests.service import Service, bare_environment, wait_until

BLOCKS: Final = 7_200
"""A day of slots."""
BLOCK_SECONDS: Final = 0.1
WARM_UP: Final = 0.25
"""The share of the samples in which caches, windows and the allocator may still fill up."""
DAY_READ_BYTES: Final = BLOCKS * 4_000
"""A head that does not go on from the last has the alerts read the day again; the allocator keeps what that took."""


def rpc(url: str, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
    answer = httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, timeout=10)
    return answer.json()["result"]


def test_a_day_of_blocks_with_faults_leaves_nothing_behind(tmp_path: Path) -> None:
    database, samples = tmp_path / "journal.db", tmp_path / "samples"
    chance = random.Random(7)  # noqa: S311 - a reproducible spread, not a secret
    with (
        Service("devnet", "--port", "0", "--block-time", str(BLOCK_SECONDS)) as devnet,
        FaultProxy(_port_of(devnet)) as first,
        FaultProxy(_port_of(devnet)) as second,
        Service(
            str(samples),
            environment={
                "TAIKO_L1_RPC_URLS": f"one=ws://127.0.0.1:{first.port},two=http://127.0.0.1:{second.port}",
                "TAIKO_STATE_URL": f"sqlite:///{database}",
                "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
                "TAIKO_RPC_TIMEOUT_SECONDS": "0.5",
                "TAIKO_MAX_FEE_INCREASE": "0.05",
                "TAIKO_MAX_FEE_DECREASE": "0.05",
            },
            command=(sys.executable, "-m", "tests.proof.soaking"),
        ) as service,
    ):
        url = str(devnet.event("devnet_listening")["url"])
        service.event("first_quote")
        begin = int(rpc(url, "eth_blockNumber"), 16)
        with Recorder(str(service.client.base_url).rstrip("/")) as recorder:
            while int(rpc(url, "eth_blockNumber"), 16) < begin + BLOCKS:
                time.sleep(chance.uniform(5, 15))
                _disturb(chance, (first, second), url, database)
        rpc(url, "devnet_setIntervalMining", 0)
        head = int(rpc(url, "eth_blockNumber"), 16)
        wait_until(
            lambda: (service.quote() or {}).get("l1", {}).get("blockNumber") == head, "the last block", seconds=60
        )
        wait_until(lambda: service.get("/v1/status").json()["journal"] == "ok", "the journal", seconds=60)
        assert {answer.body["status"] for answer in recorder.quotes} <= {"fresh", "stale"}
        assert service.stop(signal.SIGTERM, seconds=60) == 0
    _assert_flat([json.loads(line) for line in samples.read_text().splitlines()])
    _assert_journal_holds(database, recorder)


def _port_of(devnet: Service) -> int:
    return int(str(devnet.event("devnet_listening")["url"]).rpartition(":")[2])


def _disturb(chance: random.Random, proxies: Sequence[FaultProxy], url: str, database: Path) -> None:
    """One fault of one to two seconds."""
    proxy, seconds = chance.choice(proxies), chance.uniform(1, 2)
    kind = chance.randrange(8)
    if kind == 6:
        rpc(url, "devnet_reorg", chance.randint(1, 5))
    elif kind == 7:
        with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(2 * seconds)
            other.execute("ROLLBACK")
    else:
        proxy.fault = (Refuse(), Blackhole(), Delay(0.7), Garble(seed=kind), Truncate(100), PASS)[kind]
        proxy.cut()
        time.sleep(seconds)
        proxy.fault = PASS


def _assert_flat(samples: Sequence[dict[str, int]]) -> None:
    settled = samples[int(len(samples) * WARM_UP) :]
    third = len(settled) // 3
    early, late = settled[:third], settled[-third:]
    for what, allowed, more in (("resident_bytes", 1.05, DAY_READ_BYTES), ("descriptors", 1.1, 1), ("tasks", 1.1, 1)):
        before, after = (statistics.median(sample[what] for sample in part) for part in (early, late))
        assert after <= before * allowed + more, f"{what}: {before} grew to {after}"


def _assert_journal_holds(database: Path, recorder: Recorder) -> None:
    with closing(sqlite3.connect(database)) as connection:
        rows = dict(connection.execute("SELECT quote_id, fee_per_gas FROM entries"))
    assert len(rows) >= BLOCKS
    served = {answer.body["quoteId"]: answer.body["feePerGas"] for answer in recorder.quotes}
    assert served.items() <= rows.items()
    assert database.stat().st_size < 2_000 * len(rows), "an entry takes about 1 kB"
    command = [sys.executable, "-m", "app", "verify", "--json", "--state-url", f"sqlite:///{database}"]
    verified = subprocess.run(command, capture_output=True, check=False, env=bare_environment())
    assert verified.returncode == 0, verified.stdout.decode()[-2000:]
