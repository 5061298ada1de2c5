"""The devnet's chain: pure and deterministic. The same calls make the same blocks, to the byte."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from app.domain.errors import OracleError
from app.domain.header import L1Header, next_base_fee
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas

WINDOW_BLOCKS: Final = 8_192
"""How many blocks a chain keeps; older ones are pruned, as on a real node."""


class ChainRefusedError(OracleError):
    """The chain cannot do what it was asked."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What a block holds. Without a timestamp of its own it is stamped when it is produced."""

    gas_limit: Gas
    gas_used: Gas
    timestamp: UnixSeconds | None = None


class BlockSource(Protocol):
    """What the blocks of a chain hold. A pure function of its arguments."""

    @property
    def first_number(self) -> BlockNumber:
        """Number of the chain's first block."""
        ...

    @property
    def first_base_fee(self) -> WeiPerGas:
        """Base fee of the chain's first block; EIP-1559 makes all others."""
        ...

    def plan(self, number: BlockNumber, base_fee: WeiPerGas, branch: int) -> BlockPlan | None:
        """The contents of block `number` on branch `branch`; None past the end."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """A header, and the whole state after it."""

    header: L1Header
    branch: int
    """How many reorgs the chain had been through when the block was made: it tells siblings apart."""
    balances: Mapping[str, Wei]
    """Ether by lower-case `0x` address; who is not in it holds nothing."""


class Chain:
    """A window of consecutive blocks, and the siblings that reorgs took off it."""

    def __init__(
        self,
        *,
        seed: int,
        number: BlockNumber,
        base_fee: WeiPerGas,
        plan: BlockPlan,
        timestamp: UnixSeconds,
        balances: Mapping[str, Wei],
        window_blocks: int = WINDOW_BLOCKS,
    ) -> None:
        self._seed = seed
        self._window_blocks = window_blocks
        self._canonical: dict[int, Block] = {}
        self._by_hash: dict[str, Block] = {}
        self._orphans: OrderedDict[str, Block] = OrderedDict()
        self._oldest_number = number
        parent_hash = _digest(seed, "before", number) if number else f"0x{0:064x}"
        self.head = self._link(
            number=number,
            parent_hash=parent_hash,
            timestamp=timestamp,
            base_fee=base_fee,
            plan=plan,
            branch=0,
            balances=MappingProxyType(dict(balances)),
        )

    @property
    def oldest(self) -> Block:
        """The oldest block that is kept."""
        return self._canonical[self._oldest_number]

    def at(self, number: int) -> Block | None:
        """The block at this height of the canonical chain; None where it is pruned or not there yet."""
        return self._canonical.get(number)

    def by_hash(self, block_hash: str) -> Block | None:
        """The block with this hash, on whatever branch."""
        return self._by_hash.get(block_hash) or self._orphans.get(block_hash)

    def is_canonical(self, block: Block) -> bool:
        """Whether no reorg took `block` off the chain."""
        return block.header.hash in self._by_hash

    def append(
        self, plan: BlockPlan, timestamp: UnixSeconds, *, branch: int, balances: Mapping[str, Wei] | None = None
    ) -> Block:
        """The next block. Its timestamp is never below its parent's; without `balances` its parent's stay."""
        parent = self.head
        self.head = self._link(
            number=BlockNumber(parent.header.number + 1),
            parent_hash=parent.header.hash,
            timestamp=max(timestamp, parent.header.timestamp),
            base_fee=next_base_fee(parent.header),
            plan=plan,
            branch=branch,
            balances=parent.balances if balances is None else MappingProxyType(dict(balances)),
        )
        return self.head

    def rewind(self, depth: int) -> tuple[Block, ...]:
        """Take the newest `depth` blocks off, and return them, oldest first. They stay known by their hashes.

        Raises `ChainRefusedError` where no block would be left to build on.
        """
        deepest = len(self._canonical) - 1
        if not 1 <= depth <= deepest:
            raise ChainRefusedError(f"cannot take {depth} blocks off the chain, expected 1 to {deepest}")
        head_number = self.head.header.number
        taken = tuple(self._canonical.pop(number) for number in range(head_number - depth + 1, head_number + 1))
        for block in taken:
            self._orphans[block.header.hash] = self._by_hash.pop(block.header.hash)
        while len(self._orphans) > self._window_blocks:
            self._orphans.popitem(last=False)
        self.head = self._canonical[head_number - depth]
        return taken

    def _link(
        self,
        *,
        number: BlockNumber,
        parent_hash: str,
        timestamp: UnixSeconds,
        base_fee: WeiPerGas,
        plan: BlockPlan,
        branch: int,
        balances: Mapping[str, Wei],
    ) -> Block:
        state = (f"{address}={balances[address]}" for address in sorted(balances))
        block_hash = _digest(
            self._seed, number, parent_hash, timestamp, base_fee, plan.gas_limit, plan.gas_used, branch, *state
        )
        header = L1Header(number, block_hash, parent_hash, timestamp, base_fee, plan.gas_limit, plan.gas_used)
        block = Block(header, branch, balances)
        self._canonical[number] = block
        self._by_hash[block_hash] = block
        if len(self._canonical) > self._window_blocks:
            pruned = self._canonical.pop(self._oldest_number)
            del self._by_hash[pruned.header.hash]
            self._oldest_number = BlockNumber(self._oldest_number + 1)
        return block


def _digest(*fields: object) -> str:
    return f"0x{hashlib.sha256('|'.join(map(str, fields)).encode()).hexdigest()}"
