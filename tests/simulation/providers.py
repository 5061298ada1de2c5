"""Simulated L1 providers: each has its own lag and latency, may be ill, and one of them may lie."""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from app.adapters.nodes import Dated, HeadListener, NodeRefusedError
from app.domain.header import L1Header
from app.domain.units import MILLIS_PER_SECOND, Gas, UnixSeconds, WeiPerGas
from app.engine.ports import UpstreamError
from tests.simulation.world import World, made_hash
from tests.virtual_time import VirtualClock

CHAIN_ID: Final = 1
OTHER_CHAIN_ID: Final = 17_000
TIMEOUT_SECONDS: Final = 2.0
FORGED_BLOCKS: Final = 3
"""A liar forges its newest blocks only; what is older is true, as a liar's answers to old questions would be."""
STEPS_BACK: Final = 20
AN_HOUR: Final = 3600
GREATEST_BALANCE_ETHER: Final = 200
PUSH_SECONDS: Final = 1.0
_WEI: Final = 10**18


class Ailment(StrEnum):
    """What keeps a provider from answering well."""

    NONE = "none"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    HTTP_STATUS = "http_status"
    RPC_ERROR = "rpc_error"
    GARBAGE = "garbage"
    """Answers that are no blocks."""
    EMPTY = "empty"
    """No block is known there."""
    NO_STATE = "no_state"
    """Blocks are answered, balances are not."""
    FROZEN = "frozen"
    """It answers for ever with the head that it had."""
    FLAKY = "flaky"
    """Every third call fails."""


_CONNECTION_BREAKS: Final = frozenset({Ailment.UNREACHABLE, Ailment.HTTP_STATUS})
_PUSHES_NOTHING: Final = frozenset({Ailment.TIMEOUT, Ailment.GARBAGE, Ailment.EMPTY})


class Lie(StrEnum):
    """What a provider says that is not so."""

    NONE = "none"
    BASE_FEE = "base_fee"
    """The true hash with another base fee."""
    GAS_USED = "gas_used"
    """The true hash with other gas used: the next base fee is another one."""
    PAST = "past"
    """A true head, and forged blocks below it."""
    OWN_CHAIN = "own_chain"
    """Blocks of its own, which follow from one another."""
    WRONG_CHAIN = "wrong_chain"
    """Another network's blocks, under its chain id."""
    GOING_BACK = "going_back"
    """Now the head, now an old block as the head."""
    FUTURE = "future"
    """A head of its own, stamped an hour from now."""
    BALANCE = "balance"
    """True blocks, and another balance of the vault."""


@dataclass
class Provider:
    """One provider as it is at the moment; every replica asks the same."""

    alias: str
    world: World
    dice: Random
    pushes: bool = False
    """Whether it is a WebSocket provider."""
    lag: float = 0.0
    """Seconds by which it learns of a block too late."""
    latency: float = 0.05
    ailment: Ailment = Ailment.NONE
    lie: Lie = Lie.NONE
    own_chain: World | None = None
    """The liar's chain, or the one of the other network."""
    frozen_at: float | None = None
    era: int = 0
    """Another backend answers in each: what is under way when one begins breaks."""

    def fall_ill(self, ailment: Ailment, now: float) -> None:
        """Answer as `ailment` has it from now on."""
        self.ailment = ailment
        self.frozen_at = now if ailment is Ailment.FROZEN else None

    def begin_to_lie(self, lie: Lie) -> None:
        """Lie from now on, or tell the truth again."""
        if Lie.WRONG_CHAIN in (lie, self.lie):
            self.era += 1
        self.lie = lie
        self.own_chain = None
        if lie is Lie.OWN_CHAIN:
            self.own_chain = self.world.forked(f"{self.alias}'s own")
        if lie is Lie.WRONG_CHAIN:
            self.own_chain = World(self.world.head.number, name="another network's", first_number=1_000_000)

    def recover(self) -> None:
        """Be well, quick and honest."""
        self.fall_ill(Ailment.NONE, 0)
        self.begin_to_lie(Lie.NONE)
        self.lag, self.latency = 0.0, 0.05


class SimulatedNode:
    """One replica's way to a provider: a `Node` of the adapters."""

    def __init__(self, provider: Provider, clock: VirtualClock) -> None:
        self._provider = provider
        self._clock = clock
        self._dated: Dated | None = None
        self._era = provider.era

    @property
    def alias(self) -> str:
        return self._provider.alias

    @property
    def dated(self) -> Dated | None:
        """The true time, but from who claims the future."""
        return self._dated

    def redacted(self, text: str) -> str:
        return text

    async def call(self, method: str, params: list[object]) -> object:
        """The answer of the moment at which it is given, not of the one at which it was asked for."""
        provider = self._provider
        sent = self._clock.monotonic()
        await asyncio.sleep(provider.latency * provider.dice.uniform(0.5, 1.5))
        await self._suffer(method)
        ahead = AN_HOUR if provider.lie is Lie.FUTURE else 0
        date = UnixSeconds(self._clock.true_now() // MILLIS_PER_SECOND + ahead)
        self._dated = Dated(date, sent, self._clock.monotonic())
        if method == "eth_chainId":
            return hex(OTHER_CHAIN_ID if provider.lie is Lie.WRONG_CHAIN else CHAIN_ID)
        if method == "eth_getBlockByNumber":
            return self._block(self._by_number(str(params[0])), latest=params[0] == "latest")
        if method == "eth_getBlockByHash":
            return self._block(self._chain.blocks.get(str(params[0])), latest=False)
        if method == "eth_getBalance":
            return self._balance(str(params[0]), params[1])
        raise NodeRefusedError(self.alias, method, -32601, "the method does not exist")

    @property
    def _chain(self) -> World:
        return self._provider.own_chain or self._provider.world

    def _head(self) -> L1Header:
        provider = self._provider
        moment = asyncio.get_running_loop().time() - provider.lag
        if provider.frozen_at is not None:
            moment = min(moment, provider.frozen_at)
        return self._chain.head_at(moment)

    def _by_number(self, block: str) -> L1Header | None:
        head = self._head()
        if block == "latest":
            return self._claimed(head)
        return self._chain.ancestor(head, int(block, 16))

    def _claimed(self, head: L1Header) -> L1Header:
        """What the provider says its head is."""
        if self._provider.lie is Lie.GOING_BACK and self._provider.dice.random() < 1 / 2:
            return self._chain.ancestor(head, head.number - STEPS_BACK) or head
        if self._provider.lie is Lie.FUTURE:
            ahead = UnixSeconds(head.timestamp + 3600)
            return replace(head, timestamp=ahead, hash=made_hash("future", head.hash))
        return head

    def _block(self, header: L1Header | None, *, latest: bool) -> object:
        if self._provider.ailment is Ailment.GARBAGE:
            return self._provider.dice.choice(("0x", [], {"number": "0x1"}, 7, {"number": None, "hash": "0x12"}))
        if header is None or self._provider.ailment is Ailment.EMPTY:
            return None
        return block_object(self._forged(header, latest=latest))

    def _forged(self, header: L1Header, *, latest: bool) -> L1Header:
        lie = self._provider.lie
        is_new = header.number > self._head().number - FORGED_BLOCKS
        if lie is Lie.BASE_FEE and is_new:
            return replace(header, base_fee_per_gas=WeiPerGas(header.base_fee_per_gas * 3 + 1))
        if lie is Lie.GAS_USED and is_new:
            return replace(header, gas_used=Gas(header.gas_limit - header.gas_used))
        if lie is Lie.PAST and not latest:
            return replace(header, gas_used=Gas(header.gas_limit - header.gas_used // 2))
        return header

    def _balance(self, address: str, block: object) -> object:
        block_hash = block.get("blockHash") if isinstance(block, dict) else None
        header = self._chain.blocks.get(str(block_hash)) if block_hash else self._by_number(str(block))
        if header is None or self._provider.ailment is Ailment.NO_STATE:
            raise NodeRefusedError(self.alias, "eth_getBalance", -32000, "missing trie node")
        balance = true_balance(address, header)
        return hex(balance // 2 if self._provider.lie is Lie.BALANCE else balance)

    async def _suffer(self, method: str) -> None:
        provider = self._provider
        if self._era != provider.era:
            self._era = provider.era
            raise UpstreamError(self.alias, "unreachable", f"{method}: the connection broke")
        ailment = provider.ailment
        if ailment is Ailment.FLAKY:
            ailment = provider.dice.choice((Ailment.NONE, Ailment.NONE, Ailment.TIMEOUT, Ailment.UNREACHABLE))
        if ailment is Ailment.TIMEOUT:
            await asyncio.sleep(TIMEOUT_SECONDS)
        if ailment in (Ailment.TIMEOUT, Ailment.UNREACHABLE, Ailment.HTTP_STATUS):
            raise UpstreamError(self.alias, ailment.value, f"{method}: simulated")
        if ailment is Ailment.RPC_ERROR:
            raise NodeRefusedError(self.alias, method, -32005, "limit exceeded")


class SimulatedPushingNode(SimulatedNode):
    """A provider over WebSocket: its heads are pushed besides."""

    def __init__(self, provider: Provider, clock: VirtualClock) -> None:
        super().__init__(provider, clock)
        self._given_up = asyncio.Event()

    def resubscribe(self) -> None:
        self._given_up.set()

    async def run(self, listener: HeadListener) -> None:
        """One subscription after the other; each ends as the provider's ailment has it."""
        while True:
            await self._clock.sleep(PUSH_SECONDS)
            if self._provider.ailment not in _CONNECTION_BREAKS:
                self._given_up.clear()
                listener.subscribed()
                await self._push(listener)

    async def _push(self, listener: HeadListener) -> None:
        era, told = self._provider.era, ""
        while not self._given_up.is_set():
            await self._clock.sleep(PUSH_SECONDS)
            if self._provider.ailment in _CONNECTION_BREAKS or era != self._provider.era:
                listener.unsubscribed("closed")
                return
            if self._provider.ailment in _PUSHES_NOTHING:
                continue
            head = self._forged(self._claimed(self._head()), latest=True)
            if head.hash != told:
                told = head.hash
                listener.pushed(head)
        listener.unsubscribed("silent")


def true_balance(address: str, header: L1Header) -> int:
    """What an address holds at a block: any balance, but always the same one."""
    return int(made_hash(address, header.hash)[2:18], 16) % (GREATEST_BALANCE_ETHER * _WEI)


def block_object(header: L1Header) -> dict[str, object]:
    """The JSON object that a node sends for a header."""
    return {
        "number": hex(header.number),
        "hash": header.hash,
        "parentHash": header.parent_hash,
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
    }
