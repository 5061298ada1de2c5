"""The whole service while clients wish it ill: its polls, its quotes, its memory and its other clients are not touched.

The attacks run in a process of their own (`attacks.py`), the L1 in another, and a third asks for the fee all the while.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.process.adversarial.attacks import CUT
from tests.recorder import Recorder
from tests.service import Service, wait_until

BLOCK_SECONDS = 0.5
POLL_SECONDS = 0.2
LATEST_SECONDS = 3.0
"""How much longer than a block's time it may be from one block's quote to the next one's: a quarter of a slot, where
attackers, L1 and service share two cores."""
LEAST_POLLS_PER_SECOND = 1
"""Twice what the default interval asks for."""
SLOWEST_ANSWER_SECONDS = 2.0
PROMPT_SECONDS = 0.3
"""For three questions, over a new connection each."""
LONGEST_END_SECONDS = 9
"""Two of being unready, five of draining, and the journal."""
MOST_GROWTH_AGAIN_BYTES = 32 * 1024 * 1024
MOST_GROWTH_BYTES = 192 * 1024 * 1024
TOKEN = "a-token-that-no-attacker-has-ever-guessed-yet"  # noqa: S105 - of this test alone
FAST = {
    "TAIKO_POLL_INTERVAL_SECONDS": str(POLL_SECONDS),
    "TAIKO_LOG_LEVEL": "debug",
    "TAIKO_ADMIN_TOKEN": TOKEN,
}
ROOT = Path(__file__).parents[3]


@dataclass
class Siege:
    oracle: Service
    chain: Service
    resident_before: int = 0

    @property
    def address(self) -> str:
        return str(self.oracle.event("http_listening")["url"]).removeprefix("http://")

    def begin(self, name: str, seconds: float) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.process.adversarial.attacks", name, self.address, str(seconds)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    def stand(self, name: str, seconds: float) -> Counter[str]:
        """Stand one attack; how the attackers were answered. Fails where anybody else noticed it."""
        began, polls, what_they_may_not_change = time.time(), self.polls, self.fixed
        with Recorder(f"http://{self.address}", per_second=10) as recorder:
            attack = self.begin(name, seconds)
            printed, _ = attack.communicate(timeout=seconds + 30)
            lasted = time.time() - began
            polled = self.polls - polls
        assert attack.returncode == 0
        assert self.fixed == what_they_may_not_change
        self._assert_answered(recorder)
        self.assert_priced(began)
        assert polled / lasted > LEAST_POLLS_PER_SECOND
        assert self.oracle.resident_bytes() - self.resident_before < MOST_GROWTH_BYTES
        wait_until(self.is_well, "a prompt answer to whoever comes now", seconds=3)
        return Counter(httpx.Response(200, content=printed).json())

    def is_well(self) -> bool:
        """Whether who comes now is served at once."""
        asked = time.monotonic()
        for path in ("/livez", "/readyz?fresh=true", "/v1/fee"):
            assert httpx.get(f"http://{self.address}{path}", timeout=5).status_code == 200
        return time.monotonic() - asked < PROMPT_SECONDS

    @property
    def fixed(self) -> tuple[object, ...]:
        """What nobody without a token may change: parameters, decisions, and the fee for given inputs."""
        asked = {"l1BaseFeePerGas": 25 * 10**9, "deficitWei": "0"}
        what_if = httpx.post(f"http://{self.address}/v1/quote", json=asked, timeout=5).json()
        with_token = {"Authorization": f"Bearer {TOKEN}"}
        return (
            what_if["feePerGas"],
            self.oracle.get("/v1/parameters").json(),
            self.oracle.get("/v1/audit", **with_token).json(),
        )

    @property
    def polls(self) -> float:
        """How often the L1 was asked for its head."""
        return self.metric("rpc_requests_total", method="eth_getBlockByNumber", result="ok")

    def metric(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(self.oracle.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        wanted = [sample for sample in samples if sample.name == f"taiko_fee_oracle_{name}"]
        return sum(sample.value for sample in wanted if labels.items() <= sample.labels.items())

    def _assert_answered(self, recorder: Recorder) -> None:
        """Every answer was a fresh quote, right by another computation, for a block that the chain has, and in time."""
        numbers = {answer.block_number for answer in recorder.answers}
        recorder.assert_honest({number: {self._block(number)} for number in numbers})
        assert recorder.counts().keys() == {"fresh"}
        assert not recorder.misses
        assert max(answer.arrived_at - answer.asked_at for answer in recorder.answers) < SLOWEST_ANSWER_SECONDS

    def _block(self, number: int) -> tuple[str, int]:
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [hex(number), False]}
        block = httpx.post(str(self.chain.event("devnet_listening")["url"]), json=call).json()["result"]
        return block["hash"], int(block["baseFeePerGas"], 16)

    def assert_priced(self, began: float) -> None:
        """Every block was priced, one after the other, and none late."""
        made = [entry for entry in self.oracle.events("quote_made") if at(entry) >= began - 2]
        assert all(later["block"] - earlier["block"] == 1 for earlier, later in pairwise(made))
        assert max(at(later) - at(earlier) for earlier, later in pairwise(made)) < BLOCK_SECONDS + LATEST_SECONDS
        assert time.time() - at(made[-1]) < BLOCK_SECONDS + LATEST_SECONDS


def at(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["timestamp"]).timestamp()


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    with Service("devnet", "--port", "0", "--block-time", str(BLOCK_SECONDS)) as chain:
        node = chain.event("devnet_listening")["url"]
        with Service("serve", environment={"TAIKO_L1_RPC_URLS": f"node={node}", **FAST}) as oracle:
            wait_until(lambda: oracle.events("quote_made"), "a second quote")
            for path in ("/openapi.json", "/metrics", "/docs", "/v1/history"):
                assert oracle.get(path).status_code == 200
            yield Siege(oracle, chain, oracle.resident_bytes())


@pytest.mark.parametrize(
    ("name", "seconds", "answers"),
    [
        pytest.param("slow clients", 12, {"idle: left", "408 request-timeout"}, marks=pytest.mark.proof),
        pytest.param("silent readers", 4, set(), marks=pytest.mark.proof),
        pytest.param("idle crowd", 4, {"made place"}, marks=pytest.mark.proof),
        pytest.param("churn", 3, {"left"}, marks=pytest.mark.proof),
        pytest.param("pipelines", 3, {"200", "429 too-many-pipelined-requests"}, marks=pytest.mark.proof),
        pytest.param(
            "bodies without end",
            3,
            {"413 body-too-large", "431 request-header-fields-too-large", "404 not-found"},
            marks=pytest.mark.proof,
        ),
        pytest.param(
            "work",
            4,
            {"200", "422 invalid-value", "422 number-out-of-range", "503 overloaded"},
            marks=pytest.mark.proof,
        ),
        ("wrong tokens", 3, {"401 invalid-token"}),
        (
            "bodies",
            3,
            {
                "400 invalid-json",
                "413 body-too-large",
                *("415 " + kind for kind in ("unsupported-content-coding", "unsupported-media-type")),
            },
        ),
        pytest.param("large answers", 3, {"200", "503 archive-busy"}, marks=pytest.mark.proof),
        ("heads", 3, {"400 malformed-request", "414 target-too-long", "431 request-header-fields-too-large"}),
        ("paths", 3, {"404 not-found", "422 invalid-value"}),
    ],
)
def test_nobody_else_notices_an_attack_and_each_gets_its_clear_answer(
    siege: Siege, name: str, seconds: float, answers: set[str]
) -> None:
    seen = siege.stand(name, seconds)
    if name == "bodies without end":  # who goes on sending while it is told to stop may miss the answer
        assert seen.pop(CUT, 0) < seen.total() / 50
    assert answers <= seen.keys() <= answers | {"503 overloaded"}, seen
    if name == "slow clients":
        assert seen == {"idle: left": 1500, "408 request-timeout": 1500}
        assert siege.metric("http_connections_cut_total", reason="slow_head") >= 2500
    if name == "idle crowd":
        assert siege.metric("http_connections_cut_total", reason="too_many_connections") > 1000


@pytest.mark.proof
def test_the_memory_that_attacks_take_is_taken_once(siege: Siege) -> None:
    """What they left in the allocator's hands is used again by the next ones."""
    names = ("silent readers", "pipelines", "bodies without end", "work", "large answers", "churn")

    def attack_with_all() -> int:
        attacks = [siege.begin(name, 2) for name in names]
        assert [attack.wait(30) for attack in attacks] == [0] * len(names)
        wait_until(siege.is_well, "a prompt answer to whoever comes now", seconds=5)
        return siege.oracle.resident_bytes()

    first = attack_with_all()
    assert attack_with_all() - first < MOST_GROWTH_AGAIN_BYTES


@pytest.mark.proof
def test_the_end_comes_in_time_and_in_order_whoever_attacks() -> None:
    with Service("serve", "--devnet", environment={"TAIKO_ADMIN_TOKEN": TOKEN}) as oracle:
        wait_until(oracle.quote, "a quote")
        siege = Siege(oracle, oracle)
        attacks = [siege.begin(name, 15) for name in ("slow clients", "silent readers", "work", "churn")]
        time.sleep(2)
        began = time.monotonic()
        assert oracle.stop(seconds=15) == 0
        assert time.monotonic() - began < LONGEST_END_SECONDS
        for attack in attacks:
            attack.kill()
            attack.wait()
        assert oracle.events("service_stopped")
        lines = [json.loads(line) for line in oracle.stderr.splitlines() if line.startswith("{")]
        assert {line["event"] for line in lines if line["level"] not in {"info", "debug"}} <= {"connections_cut"}


def test_where_descriptors_are_few_connections_leave_some_for_nodes_and_store() -> None:
    command = ("sh", "-c", 'ulimit -n 800; exec "$@"', "sh", sys.executable, "-m", "app")
    with Service("serve", "--devnet", "--devnet-block-time", "0.5", environment=FAST, command=command) as oracle:
        wait_until(oracle.quote, "a quote")
        siege = Siege(oracle, oracle)
        began = time.time()
        assert siege.begin("idle crowd", 3).wait(30) == 0
        assert siege.is_well()
        siege.assert_priced(began)
        assert siege.metric("http_connections_cut_total", reason="too_many_connections") > 100
        assert oracle.get("/readyz").json()["journal"] == "ok"
        assert not oracle.events("poll_failed")
