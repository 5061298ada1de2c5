"""anvil, a real Ethereum node, as a process on a free port of loopback."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

import httpx

STATES_KEPT = 1_000
"""Blocks whose balances a node still knows; with 0 it knows those of its head alone."""
START_SECONDS = 20.0
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")


def anvil_binary() -> Path:
    """Where `make world` puts anvil, or what TAIKO_TEST_ANVIL names. Fails the test where there is none."""
    installed = Path(__file__).parents[2] / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
    binary = Path(os.environ.get("TAIKO_TEST_ANVIL", installed))
    if not os.access(binary, os.X_OK):
        message = f"no anvil at {binary}: run make test-world, which installs it"
        raise AssertionError(message)
    return binary


class Anvil:
    """One node. It mines only when told, unless `block_time_seconds` is given."""

    def __init__(
        self,
        log: IO[str],
        *,
        chain_id: int,
        port: int,
        block_time_seconds: int | None,
        states_kept: int,
        genesis_timestamp: int | None,
    ) -> None:
        self.chain_id = chain_id
        self._log_path = Path(log.name)
        self._ids = itertools.count(1)
        self._http = httpx.Client(timeout=10)
        mining = ["--no-mining"] if block_time_seconds is None else ["--block-time", str(block_time_seconds)]
        command = [str(anvil_binary()), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
        command += ["--prune-history", *([str(states_kept)] if states_kept else []), *mining]
        command += [] if genesis_timestamp is None else ["--timestamp", str(genesis_timestamp)]
        self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.port = self._listening_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def rpc(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
        """The result of one call; fails the test on an error."""
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = self._http.post(self.url, json=request).json()
        assert "error" not in answer, answer
        return answer["result"]

    def mine(self, blocks: int = 1, *, interval_seconds: int = 12) -> dict[str, Any]:
        """Mine blocks `interval_seconds` apart by their timestamps; the last of them."""
        for _ in range(blocks):
            self.rpc("evm_setNextBlockTimestamp", self.timestamp() + interval_seconds)
            self.rpc("evm_mine")
        return self.block("latest")

    def mine_at(self, timestamp: int) -> dict[str, Any]:
        """Mine one block with this timestamp."""
        self.rpc("evm_setNextBlockTimestamp", timestamp)
        self.rpc("evm_mine")
        return self.block("latest")

    def mine_with_base_fee(self, base_fee_wei: int, *, interval_seconds: int = 12) -> dict[str, Any]:
        """Mine one block with this base fee."""
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        return self.mine(interval_seconds=interval_seconds)

    def set_balance(self, address: str, wei: int) -> None:
        """Give an address this balance in place: the head's own state changes too, as on no real chain."""
        self.rpc("anvil_setBalance", address, hex(wei))

    def pay(self, address: str, wei: int) -> None:
        """Put a transfer from a rich account into the next mined block."""
        payer = self.rpc("eth_accounts")[0]
        self.rpc("eth_sendTransaction", {"from": payer, "to": address, "value": hex(wei)})

    def block(self, which: str | int) -> dict[str, Any]:
        """A block as the node shows it."""
        with_transactions = False
        number = which if isinstance(which, str) else hex(which)
        found: dict[str, Any] = self.rpc("eth_getBlockByNumber", number, with_transactions)
        return found

    def timestamp(self) -> int:
        """The head's timestamp, in Unix seconds."""
        return int(self.block("latest")["timestamp"], 16)

    def kill(self) -> None:
        """End the node without warning, as a crash does."""
        self._http.close()
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop the node: it keeps its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let a frozen node go on."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _listening_port(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if match := _LISTENING.search(self._log_path.read_text()):
                return int(match[1])
            time.sleep(0.01)
        self.kill()
        message = f"anvil did not start: {self._log_path.read_text()[-2000:]}"
        raise AssertionError(message)


@contextlib.contextmanager
def running_anvil(
    directory: Path,
    *,
    chain_id: int = 31337,
    port: int = 0,
    block_time_seconds: int | None = None,
    states_kept: int = STATES_KEPT,
    genesis_timestamp: int | None = None,
) -> Iterator[Anvil]:
    """A node that lives as long as the block; `port` 0 takes a free one."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"anvil-{chain_id}-{time.monotonic_ns()}.log"
    with (
        (directory / name).open("w", encoding="utf-8") as log,
        Anvil(
            log,
            chain_id=chain_id,
            port=port,
            block_time_seconds=block_time_seconds,
            states_kept=states_kept,
            genesis_timestamp=genesis_timestamp,
        ) as node,
    ):
        yield node
