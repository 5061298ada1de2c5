"""The embedded L1 as a process of its own, and oracles that follow it fast."""

import itertools
from collections import defaultdict
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.service import Service, wait_until

STALE_AFTER_SECONDS: Final = 3
EXPIRES_AFTER_SECONDS: Final = 12
RATE_LIMIT: Final = {"TAIKO_MAX_FEE_INCREASE": "0.05", "TAIKO_MAX_FEE_DECREASE": "0.05"}
"""With it each fee depends on the one before, so that a block left out shows in all that follow."""
TOKEN: Final = "a-token-of-the-tests-that-is-long-enough"  # noqa: S105
PUSHED_VAULT: Final = {
    "TAIKO_VAULT_SOURCE": "push",
    "TAIKO_VAULT_TARGET_ETH": "12",
    "TAIKO_ADMIN_TOKEN": TOKEN,
}
_FAST: Final = {
    "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
    "TAIKO_QUOTE_STALE_AFTER_SECONDS": str(STALE_AFTER_SECONDS),
    "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": str(EXPIRES_AFTER_SECONDS),
}


class DevnetChain:
    """One chain, which mines every `block_seconds` until told to stand; with 0, when told. `options` shape it."""

    def __init__(self, block_seconds: float, *options: str) -> None:
        self._block_seconds = block_seconds
        self._ids = itertools.count(1)
        self._node = Service("devnet", "--port", "0", "--block-time", str(block_seconds), *options)
        self.url = str(self._node.event("devnet_listening")["url"])
        self._http = httpx.Client(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        self._node.__exit__(kind, error, trace)

    def rpc(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
        """The result of one call; fails the test on an error."""
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = self._http.post(self.url, json=request).json()
        assert "error" not in answer, answer
        return answer["result"]

    def head(self) -> int:
        """The newest block's number."""
        return int(self.rpc("eth_blockNumber"), 16)

    def stand(self) -> None:
        """Mine no more."""
        self.rpc("devnet_setIntervalMining", 0)

    def mine(self, blocks: int) -> int:
        """Mine at once; the new head's number."""
        return int(self.rpc("devnet_mine", blocks), 16)

    def go_on(self) -> None:
        """Mine again."""
        self.rpc("devnet_setIntervalMining", self._block_seconds)

    def truth(self, first: int) -> dict[int, set[tuple[str, int]]]:
        """Hash and base fee of every block from `first` on."""
        known = defaultdict(set)
        for number in range(first, self.head() + 1):
            block = self.rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003 - the method's own order
            known[number].add((block["hash"], int(block["baseFeePerGas"], 16)))
        return known


def oracle_on(chain: DevnetChain, state_url: str, **environment: str) -> Service:
    """An oracle that keeps its journal at `state_url`."""
    settings = {"TAIKO_L1_RPC_URLS": f"node={chain.url}", "TAIKO_STATE_URL": state_url, **_FAST, **environment}
    return Service("serve", environment=settings)


def base_url(oracle: Service) -> str:
    """Where an oracle answers, once it listens."""
    return str(oracle.event("http_listening")["url"])


def push_vault(oracle: Service, balance_wei: int, sequence: int) -> httpx.Response:
    """Push a balance."""
    return oracle.client.put(
        "/v1/vault",
        json={"balanceWei": str(balance_wei), "sequence": sequence},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


def quote_after(oracle: Service, number: int) -> dict[str, Any]:
    """The first quote that is served for a block above `number`."""

    def probe() -> dict[str, Any] | None:
        quote = oracle.quote()
        return quote if quote and quote["l1"]["blockNumber"] > number else None

    return wait_until(probe, f"a quote for a block above {number}")


def catch_up(oracle: Service, chain: DevnetChain) -> int:
    """Let the chain stand and the oracle serve its head; that head's number."""
    chain.stand()
    head = chain.head()
    oracle.quote_for(head)
    return head
