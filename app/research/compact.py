"""A history in memory, in a few bytes a block, to be run over as often as it takes."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat

from app.domain.simulation import SeriesBlock
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas


@dataclass(frozen=True, slots=True)
class CompactSeries:
    """Consecutive blocks of a history, or a history with the gaps that it has."""

    numbers: "array[int]"
    timestamps: "array[int]"
    base_fees: "array[int]"
    l2_gas: "array[int]"
    """Empty where no block has gas of its own."""
    vault_balances: tuple[Wei, ...] = field(default=())
    """Empty where none was recorded; a balance may leave 64 bits."""

    @classmethod
    def of(cls, blocks: Iterable[SeriesBlock]) -> "CompactSeries":
        """All of `blocks`, taken once. A column that some blocks have and others lack counts as absent."""
        numbers, timestamps, base_fees, gas = array("Q"), array("Q"), array("Q"), array("Q")
        balances: list[Wei] = []
        for block in blocks:
            numbers.append(block.number)
            timestamps.append(block.timestamp)
            base_fees.append(block.base_fee)
            if block.l2_gas is not None:
                gas.append(block.l2_gas)
            if block.vault_balance is not None:
                balances.append(block.vault_balance)
        has_gas, has_balances = len(gas) == len(numbers), len(balances) == len(numbers)
        return cls(
            numbers, timestamps, base_fees, gas if has_gas else array("Q"), tuple(balances if has_balances else ())
        )

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[SeriesBlock]:
        return map(
            SeriesBlock,
            map(BlockNumber, self.numbers),
            map(UnixSeconds, self.timestamps),
            map(WeiPerGas, self.base_fees),
            map(Gas, self.l2_gas) if self.l2_gas else repeat(None),
            self.vault_balances or repeat(None),
        )

    def part(self, first: int, last: int) -> "CompactSeries":
        """The blocks with indices `first` up to, but without, `last`."""
        return CompactSeries(
            self.numbers[first:last],
            self.timestamps[first:last],
            self.base_fees[first:last],
            self.l2_gas[first:last],
            self.vault_balances[first:last],
        )
