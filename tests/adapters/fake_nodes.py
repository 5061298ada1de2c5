"""Nodes without a network: a chain in memory behind the `Node` protocol."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from app.domain.header import L1Header
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas
from app.engine.ports import UpstreamError

Answerer = Callable[[list[object]], object]


def block_hash(number: int, branch: int = 0) -> str:
    return f"0x{branch:04x}{number:060x}"


def header(number: int = 100, *, branch: int = 0) -> L1Header:
    return L1Header(
        number=BlockNumber(number),
        hash=block_hash(number, branch),
        parent_hash=block_hash(number - 1, branch),
        timestamp=UnixSeconds(1_700_000_000 + 12 * number),
        base_fee_per_gas=WeiPerGas(25_000_000_000),
        gas_limit=Gas(45_000_000),
        gas_used=Gas(22_500_000),
    )


def block(of: L1Header) -> dict[str, object]:
    """The JSON object that a node sends for a header."""
    return {
        "number": hex(of.number),
        "hash": of.hash,
        "parentHash": of.parent_hash,
        "timestamp": hex(of.timestamp),
        "baseFeePerGas": hex(of.base_fee_per_gas),
        "gasLimit": hex(of.gas_limit),
        "gasUsed": hex(of.gas_used),
        "transactions": [],
    }


def failing(error: UpstreamError) -> Answerer:
    def answer(_params: list[object]) -> object:
        raise error

    return answer


@dataclass
class FakeNode:
    """Answers each method by a function of its parameters; an error to raise is an answer too."""

    alias: str
    answers: dict[str, Answerer]
    calls: list[tuple[str, list[object]]] = field(default_factory=list)

    async def call(self, method: str, params: list[object]) -> object:
        self.calls.append((method, params))
        return self.answers[method](params)

    def redacted(self, text: str) -> str:
        return text

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def breaks(self, reason: str = "timeout") -> None:
        """Fail every call from now on."""
        self.answers = dict.fromkeys(self.answers, failing(UpstreamError(self.alias, reason, "broken")))


def chain_node(alias: str, headers: list[L1Header], *, chain_id: int = 1, balance: int = 0) -> FakeNode:
    """A node that holds `headers`, the last of which is its head; every address has `balance`."""
    by_hash = {of.hash: block(of) for of in headers}
    by_number = {hex(of.number): block(of) for of in headers}
    by_number["latest"] = block(headers[-1])
    return FakeNode(
        alias,
        {
            "eth_chainId": lambda _: hex(chain_id),
            "eth_getBlockByNumber": lambda params: by_number.get(str(params[0])),
            "eth_getBlockByHash": lambda params: by_hash.get(str(params[0])),
            "eth_getBalance": lambda _: hex(balance),
        },
    )


def timed_chain(alias: str, timestamps: list[int], *, chain_id: int = 167_000, balance: int = 0) -> FakeNode:
    """A node whose blocks 0, 1, 2, … have these timestamps."""
    headers = [replace(header(number), timestamp=UnixSeconds(moment)) for number, moment in enumerate(timestamps)]
    return chain_node(alias, headers, chain_id=chain_id, balance=balance)
