"""The per-block table of a simulation, written while the blocks go by."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from app.domain.simulation import SimulatedBlock

COLUMNS: Final = (
    "block_number",
    "timestamp",
    "l1_basefee_wei",
    "raw_fee_per_gas",
    "fee_per_gas",
    "bound",
    "cost_wei",
    "revenue_wei",
    "vault_balance_wei",
)
"""The vault is the one after the block; empty without a vault."""


def written(
    blocks: Iterable[SimulatedBlock], write: Callable[[str], object], time_text: Callable[[int], str]
) -> Iterator[SimulatedBlock]:
    """The same blocks, each written as a line of CSV once it is taken; `time_text` takes Unix seconds."""
    write(f"{','.join(COLUMNS)}\n")
    for block in blocks:
        number, timestamp, base_fee, raw, fee, bound, cost, revenue, balance, _, _ = block
        write(
            f"{number},{time_text(timestamp)},{base_fee},{raw},{fee},{bound.value},{cost},{revenue},"
            f"{'' if balance is None else balance}\n"
        )
        yield block
