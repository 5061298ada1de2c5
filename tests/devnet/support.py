"""What the devnet's unit tests share."""

import json
from typing import Any

from app.devnet.cadence import Cadence
from app.devnet.demand import Demand, Scenario
from app.devnet.node import Node
from app.devnet.rpc import Rpc, Subscriptions
from app.domain.units import BlockNumber, UnixMillis, UnixSeconds, Wei, WeiPerGas

NOW = UnixSeconds(1_700_000_000)
GWEI_25 = WeiPerGas(25 * 10**9)
ALICE = "0x00000000000000000000000000000000000a11ce"


def demand(scenario: Scenario = Scenario.CALM, *, seed: int = 1, level: WeiPerGas = GWEI_25) -> Demand:
    return Demand(scenario, seed, level, since=BlockNumber(0))


def node_of(
    scenario: Scenario = Scenario.CALM, *, seed: int = 1, blocks: int = 0, window: int = 64, level: WeiPerGas = GWEI_25
) -> Node:
    """A node with `blocks` blocks above the genesis, a second apart, at which Alice holds 7 wei."""
    node = Node(
        demand(scenario, seed=seed, level=level),
        seed=seed,
        now=NOW,
        balances={ALICE: Wei(7)},
        window_blocks=window,
    )
    mine(node, blocks)
    return node


def mine(node: Node, blocks: int) -> None:
    for _ in range(blocks):
        node.mine(UnixSeconds(node.chain.head.header.timestamp + 1))


class Caller:
    """Speaks JSON-RPC to a node without a socket."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.cadence = Cadence(12)
        self.pushed: list[Any] = []
        self.subscriptions = Subscriptions(lambda message: self.pushed.append(json.loads(message)))
        node.listen(self.subscriptions.announce)
        self._rpc = Rpc(node, self.cadence, lambda: UnixMillis(NOW * 1000 + 500_000), "1.2.3")

    def send(self, message: object, *, push: bool = False) -> Any:  # noqa: ANN401 - whatever JSON comes back
        """The decoded answer to a message: text and bytes as they are, anything else as JSON."""
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        answer = self._rpc.answer(text, self.subscriptions if push else None)
        return None if answer is None else json.loads(answer)

    def result(self, method: str, *params: object, push: bool = False) -> Any:  # noqa: ANN401
        answer = self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, push=push)
        assert "error" not in answer, answer
        return answer["result"]

    def error(self, method: str, *params: object, push: bool = False) -> tuple[int, str]:
        answer = self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, push=push)
        return answer["error"]["code"], answer["error"]["message"]
