"""The true L1: a tree of blocks in slots of twelve seconds, and which of its tips was the head when."""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from app.domain.header import L1Header
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas
from tests.domain.reference import eip1559_base_fee

SLOT_SECONDS: Final = 12
GENESIS_TIME: Final = 1_764_157_200
BLOCKS_BEFORE: Final = 80
"""Blocks that are there when a run begins."""
GAS_LIMIT: Final = 45_000_000
GREATEST_MODE: Final = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the head."""

    at: float
    """Seconds of the run."""
    head: L1Header


def made_hash(*parts: object) -> str:
    """A hash that is the digest of `parts`."""
    return "0x" + hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


class World:
    """Blocks by hash, and the history of the head. Base fees follow EIP-1559, written once more for the tests."""

    def __init__(self, seed: int, *, name: str = "true", first_number: int = 23_000_000) -> None:
        self._dice = Random(f"{name} chain {seed}")  # noqa: S311 - a run is to be repeatable
        self._name = f"{name}/{seed}"
        self.blocks: dict[str, L1Header] = {}
        self.mode = 0
        """Demand: 0 any, 1 full blocks, 2 empty blocks, 3 just at the target."""
        first = self._first(first_number)
        self.blocks[first.hash] = first
        self.turns = [Turn(float("-inf"), first)]
        self._times = [float("-inf")]
        for slot in range(1, BLOCKS_BEFORE):
            self._turn(float("-inf"), self.child_of(self.head, first.timestamp + slot * SLOT_SECONDS))

    @property
    def head(self) -> L1Header:
        """The head now."""
        return self.turns[-1].head

    def head_at(self, seconds: float) -> L1Header:
        """The head as it was at `seconds` of the run."""
        return self.turns[bisect_right(self._times, seconds) - 1].head

    def mine(self, seconds: float) -> L1Header:
        """A block on the head, in the slot that `seconds` lies in."""
        self._turn(seconds, self.child_of(self.head, self._slot_time(seconds)))
        return self.head

    def reorganise(self, seconds: float, depth: int) -> L1Header:
        """Put as many other blocks in place of the newest `depth`, in the same slots, and one more on them."""
        abandoned = [self.head]
        while len(abandoned) < depth:
            abandoned.append(self.blocks[abandoned[-1].parent_hash])
        tip = self.blocks[abandoned[-1].parent_hash]
        for block in reversed(abandoned):
            tip = self.child_of(tip, block.timestamp)
        moment = self._slot_time(seconds)
        self._turn(seconds, self.child_of(tip, moment) if moment > tip.timestamp else tip)
        return self.head

    def return_to(self, seconds: float, tip: L1Header) -> L1Header:
        """Go back to a branch that was left, with a block more on it."""
        moment = self._slot_time(seconds)
        self._turn(seconds, self.child_of(tip, max(moment, tip.timestamp + SLOT_SECONDS)))
        return self.head

    def ancestor(self, tip: L1Header, number: int) -> L1Header | None:
        """The block of height `number` on the branch that ends in `tip`; None above it and before the first."""
        block: L1Header | None = tip
        while block is not None and block.number > number:
            block = self.blocks.get(block.parent_hash)
        return block if block is not None and block.number == number else None

    def child_of(self, parent: L1Header, timestamp: int) -> L1Header:
        """A new block on `parent`, known from now on."""
        number = parent.number + 1
        child = L1Header(
            number=BlockNumber(number),
            hash=made_hash(self._name, parent.hash, len(self.blocks)),
            parent_hash=parent.hash,
            timestamp=UnixSeconds(timestamp),
            base_fee_per_gas=WeiPerGas(
                eip1559_base_fee(parent.gas_limit, parent.gas_used, parent.base_fee_per_gas),
            ),
            gas_limit=Gas(parent.gas_limit + self._dice.randint(-1000, 1000)),
            gas_used=Gas(0),
        )
        child = replace(child, gas_used=Gas(self._gas_used(child.gas_limit)))
        self.blocks[child.hash] = child
        return child

    def forked(self, name: str) -> "World":
        """A chain of somebody's own: the same until now, and other blocks from now on."""
        fork = World(0, name=name, first_number=self.head.number)
        fork._dice = Random(f"{name} from {self.head.hash}")  # noqa: S311 - a run is to be repeatable
        fork._name = name
        fork.blocks = dict(self.blocks)
        fork.turns = list(self.turns)
        fork._times = list(self._times)
        return fork

    def _gas_used(self, limit: int) -> int:
        if self.mode == 1:
            return limit
        if self.mode == 2:
            return 0
        if self.mode == GREATEST_MODE:
            return limit // 2
        return self._dice.choice((0, limit, limit // 2, self._dice.randint(0, limit), self._dice.randint(0, limit)))

    def _first(self, number: int) -> L1Header:
        return L1Header(
            number=BlockNumber(number),
            hash=made_hash(self._name, "first"),
            parent_hash=made_hash(self._name, "before"),
            timestamp=UnixSeconds(GENESIS_TIME - BLOCKS_BEFORE * SLOT_SECONDS),
            base_fee_per_gas=WeiPerGas(self._dice.choice((7, 75_000_000, 10**9, 25 * 10**9, 300 * 10**9))),
            gas_limit=Gas(GAS_LIMIT),
            gas_used=Gas(GAS_LIMIT // 2),
        )

    def _turn(self, at: float, head: L1Header) -> None:
        self.turns.append(Turn(at, head))
        self._times.append(at)

    @staticmethod
    def _slot_time(seconds: float) -> int:
        return GENESIS_TIME + int(seconds // SLOT_SECONDS) * SLOT_SECONDS
