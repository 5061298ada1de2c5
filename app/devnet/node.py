"""One devnet node without its sockets: the chain, what its blocks hold, and who is told of new ones."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from app.devnet.chain import WINDOW_BLOCKS, Block, BlockPlan, BlockSource, Chain, ChainRefusedError
from app.devnet.demand import Demand, Scenario
from app.domain.errors import InvalidValueError
from app.domain.header import next_base_fee
from app.domain.units import BlockNumber, UnixSeconds, Wei

Listener = Callable[[Block], None]
"""Takes each new block; must not raise and must not block."""

MOST_ACCOUNTS: Final = 128
"""Every block keeps the whole state, so the state stays small."""

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


class Node:
    """The chain and its only writer."""

    def __init__(
        self,
        source: BlockSource,
        *,
        seed: int,
        now: UnixSeconds,
        balances: Mapping[str, Wei],
        window_blocks: int = WINDOW_BLOCKS,
    ) -> None:
        self._source = source
        self._branch = 0
        self._pending: dict[str, Wei] = {}
        self._listeners: set[Listener] = set()
        plan = self._plan(source.first_number)
        self.chain = Chain(
            seed=seed,
            number=source.first_number,
            base_fee=source.first_base_fee,
            plan=plan,
            timestamp=now if plan.timestamp is None else plan.timestamp,
            balances=balances,
            window_blocks=window_blocks,
        )

    @property
    def is_over(self) -> bool:
        """Whether the source has no further block: the head stands for good."""
        header = self.chain.head.header
        number = BlockNumber(header.number + 1)
        return self._source.plan(number, next_base_fee(header), self._branch) is None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of every new block, until the returned function is called."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def mine(self, now: UnixSeconds) -> Block:
        """Produce the next block. Raises `ChainRefusedError` past the end of a replay."""
        balances = {**self.chain.head.balances, **self._pending} if self._pending else None
        block = self._extend(now, balances)
        self._pending.clear()
        return block

    def reorg(self, depth: int) -> tuple[Block, ...]:
        """Replace the newest `depth` blocks by siblings at the same heights and times, with the same balances.

        Demand differs on the new branch, so base fees do from the second sibling on; a replay's do not.
        """
        taken = self.chain.rewind(depth)
        self._branch += 1
        return tuple(self._extend(block.header.timestamp, block.balances) for block in taken)

    def set_balance(self, address: str, balance: Wei) -> BlockNumber:
        """Change what `address` holds from the next block on, whose number is returned.

        A block that is out keeps its state for ever, as on any chain.
        """
        accounts = self.chain.head.balances.keys() | self._pending.keys() | {address}
        if len(accounts) > MOST_ACCOUNTS:
            raise ChainRefusedError(f"the devnet keeps at most {MOST_ACCOUNTS} accounts")
        self._pending[address] = balance
        return BlockNumber(self.chain.head.header.number + 1)

    def set_demand(self, scenario: Scenario) -> None:
        """Let `scenario` begin with the next block."""
        if not isinstance(self._source, Demand):
            raise ChainRefusedError("this chain replays a file: it has no demand to set")
        self._source = self._source.switched(scenario, self.chain.head.header.number)

    def _extend(self, now: UnixSeconds, balances: Mapping[str, Wei] | None) -> Block:
        plan = self._plan(BlockNumber(self.chain.head.header.number + 1))
        timestamp = now if plan.timestamp is None else plan.timestamp
        block = self.chain.append(plan, timestamp, branch=self._branch, balances=balances)
        for listener in tuple(self._listeners):
            listener(block)
        return block

    def _plan(self, number: BlockNumber) -> BlockPlan:
        is_first = number == self._source.first_number
        base_fee = self._source.first_base_fee if is_first else next_base_fee(self.chain.head.header)
        plan = self._source.plan(number, base_fee, self._branch)
        if plan is None:
            raise ChainRefusedError(f"the replay is over: block {number - 1} was its last")
        return plan


def account_address(text: str, name: str = "address") -> str:
    """The lower-case form of a `0x` address. Raises `InvalidValueError` for anything else."""
    if not _ADDRESS.fullmatch(text):
        raise InvalidValueError(name, text, "0x and 40 hex digits")
    return text.lower()
