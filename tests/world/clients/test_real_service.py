"""The clients of docs/clients.md through a bad day of two real replicas on one L1."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.reference import alpha_fee
from tests.service import Service, wait_until
from tests.world.clients.programs import Command, Decision, environment, run

pytestmark = pytest.mark.proof
"""A day takes real minutes, and its moments are close together: `make proof` runs it."""

STALE_AFTER_SECONDS = 3
LIMITS = {
    "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
    "TAIKO_QUOTE_STALE_AFTER_SECONDS": str(STALE_AFTER_SECONDS),
    "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "8",
}
GREATEST_AGE_SECONDS = 13
PROMPTLY_SECONDS = 3
FIRST, SECOND, EITHER, NEITHER = (0,), (1,), (0, 1), (None,)


class L1:
    """A devnet with a block each second, until it is told to stand."""

    def __init__(self, node: Service) -> None:
        self.url = str(node.event("devnet_listening")["url"])

    def call(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
        """The result of one call."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return httpx.post(self.url, json=request, timeout=5).json()["result"]

    def fee_at(self, block: int) -> int:
        """What L2 gas costs at a block, by a formula written anew."""
        return alpha_fee(int(self.call("eth_getBlockByNumber", hex(block))["baseFeePerGas"], 16))

    def replica(self, **settings: str) -> Service:
        """A service that reads this chain."""
        return Service("serve", environment={"TAIKO_L1_RPC_URLS": f"node={self.url}", **LIMITS, **settings})


@dataclass
class Following:
    """A client that decides until it is ended."""

    language: str
    output: Path
    complaints: Path
    looked_at: int = 0
    """How many of its decisions have been waited for."""

    def decisions(self) -> list[Decision]:
        """All that it has decided so far."""
        whole_lines = self.output.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole_lines.splitlines()]

    def comes_to(self, basis: str, replicas: tuple[int | None, ...]) -> bool:
        """Whether it has decided so since it was last waited for; what it decided before that is then past."""
        for number, decision in enumerate(self.decisions()[self.looked_at :], self.looked_at):
            if decision["basis"] == basis and decision["replica"] in replicas:
                self.looked_at = number
                return True
        return False


@contextmanager
def following(command: Command, language: str, folder: Path, arguments: Sequence[str]) -> Iterator[Following]:
    """A client at work."""
    client = Following(language, folder / f"{language}.out", folder / f"{language}.err")
    with client.output.open("wb") as output, client.complaints.open("wb") as complaints:
        process = subprocess.Popen(
            [*command, *arguments],
            env=environment(),
            stdout=output,
            stderr=complaints,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield client
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def all_decide(clients: list[Following], basis: str, replicas: tuple[int | None, ...]) -> None:
    """Return once each has decided so."""
    for client in clients:
        try:
            wait_until(lambda: client.comes_to(basis, replicas), f"{basis} by one of {replicas}")  # noqa: B023 - at once
        except AssertionError:
            said = f"{client.decisions()[client.looked_at :]}\n{client.complaints.read_text()[-800:]}"
            sys.stderr.write(f"{client.language}: {said}\n")
            raise


def hold_every_decision(client: Following, l1: L1) -> None:
    """Each is the true fee of its block or a ceiling above it, of an age that its basis allows, and none goes back."""
    last_block = 0
    for decision in client.decisions():
        basis, block, age = decision["basis"], decision["blockNumber"], decision["ageSeconds"]
        if basis == "none":
            assert decision["feePerGas"] is block is age is None
            continue
        assert block >= last_block, (client.language, decision)
        last_block = block
        true = l1.fee_at(block)
        if basis in ("fresh", "last_good"):
            assert (decision["feePerGas"], age <= STALE_AFTER_SECONDS) == (true, True), (client.language, decision)
        else:
            assert basis in ("ceiling", "last_good_ceiling"), (client.language, decision)
            assert decision["feePerGas"] > true, (client.language, decision)
            assert STALE_AFTER_SECONDS <= age <= GREATEST_AGE_SECONDS, (client.language, decision)


def seconds_to_next_poll(replica: Service) -> int:
    """How long a client that has the quote may leave it at that."""
    return int(replica.get("/v1/fee").headers["Cache-Control"].removeprefix("max-age="))


def test_through_a_bad_day_every_client_charges_what_may_be_charged(
    clients: Mapping[str, Command], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        l1 = L1(stack.enter_context(Service("devnet", "--port", "0", "--block-time", "1")))
        first, second = (stack.enter_context(l1.replica()) for _ in range(2))
        for replica in (first, second):
            wait_until(replica.quote, "a quote")
        urls = [part for replica in (first, second) for part in ("--replica", str(replica.client.base_url))]
        arguments = [*urls, "--network", "devnet", "--max-age", str(GREATEST_AGE_SECONDS)]
        at_work = [
            stack.enter_context(following(command, language, tmp_path, arguments))
            for language, command in clients.items()
        ]
        all_decide(at_work, "fresh", FIRST)

        first.process.send_signal(signal.SIGSTOP)
        all_decide(at_work, "fresh", SECOND)
        first.process.send_signal(signal.SIGCONT)

        l1.call("devnet_setIntervalMining", 0)
        all_decide(at_work, "ceiling", EITHER)
        all_decide(at_work, "last_good_ceiling", EITHER)
        all_decide(at_work, "none", NEITHER)

        l1.call("devnet_setIntervalMining", 1)
        all_decide(at_work, "fresh", EITHER)

        second.stop(signal.SIGKILL)
        all_decide(at_work, "fresh", FIRST)

        # Whether a poll falls between the last answer and its `staleAt`, and so decides `last_good`, is chance.
        first.stop(signal.SIGKILL)
        all_decide(at_work, "last_good_ceiling", FIRST)

        for client in at_work:
            hold_every_decision(client, l1)
            complaints = client.complaints.read_text()
            assert "urn:taiko-fee-oracle:problem:quote-expired" in complaints, client.language


def test_a_client_of_another_network_charges_nothing(clients: Mapping[str, Command]) -> None:
    with Service("serve", "--devnet") as service:
        wait_until(service.quote, "a quote")
        for language, command in clients.items():
            url = str(service.client.base_url)
            refused = run(command, ["--replica", url, "--network", "mainnet", "--polls", "1"])
            assert (refused.bases, refused.code) == (["none"], 1), language
            assert "devnet" in refused.said, language
            taken = run(command, ["--replica", f"{url}/", "--network", "devnet", "--polls", "1"])
            assert (taken.bases, taken.code, taken.said) == (["fresh"], 0, ""), language


def test_a_stream_ends_the_wait_and_without_it_polls_go_on(
    clients: Mapping[str, Command], saved: Path, tmp_path: Path
) -> None:
    command = (clients["python"][0], str(saved / "fee_stream.py"))
    with ExitStack() as stack:
        l1 = L1(stack.enter_context(Service("devnet", "--port", "0", "--block-time", "0")))
        replica = stack.enter_context(
            l1.replica(TAIKO_QUOTE_STALE_AFTER_SECONDS="48", TAIKO_QUOTE_EXPIRES_AFTER_SECONDS="60")
        )
        block = wait_until(replica.quote, "a quote")["l1"]["blockNumber"]
        arguments = ["--replica", str(replica.client.base_url), "--network", "devnet"]
        client = stack.enter_context(following(command, "stream", tmp_path, arguments))
        wait_until(lambda: [decision["blockNumber"] for decision in client.decisions()] == [block] * 2, "the doorbell")
        assert seconds_to_next_poll(replica) > PROMPTLY_SECONDS

        l1.call("devnet_mine", 1)
        wait_until(lambda: client.decisions()[-1]["blockNumber"] == block + 1, "its fee", seconds=PROMPTLY_SECONDS)
        assert client.decisions()[-1]["feePerGas"] == l1.fee_at(block + 1)

        replica.stop()
        wait_until(lambda: client.decisions()[-1]["basis"] == "last_good", "the last good fee", seconds=5)
